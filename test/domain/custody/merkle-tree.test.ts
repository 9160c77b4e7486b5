import { bytesToHex, hexToBytes } from '@noble/hashes/utils';
import fc from 'fast-check';
import { inclusionProof, MerkleAccumulator, merkleRoot, rootByProof } from '../../../domain/custody/merkle-tree';

/** Leaves and roots of the reference tests of Certificate Transparency (RFC 6962's authors). */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  hexToBytes,
);
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leaves = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 70 });

test.each(ROOTS.map((root, index): [number, string] => [index + 1, root]))(
  '%i leaves of the reference give its root',
  (count, root) => {
    expect(bytesToHex(merkleRoot(LEAVES.slice(0, count)))).toBe(root);
  },
);

test('an empty tree has SHA-256 of nothing (RFC 6962 §2.1)', () => {
  expect(bytesToHex(merkleRoot([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('the root after each leaf is that of the leaves so far, whatever is added later', () => {
  fc.assert(
    fc.property(leaves, (all) => {
      const tree = new MerkleAccumulator();
      for (const [index, leaf] of all.entries()) {
        tree.add(leaf);
        expect(tree.root()).toEqual(merkleRoot(all.slice(0, index + 1)));
      }
      expect(tree.count).toBe(all.length);
    }),
    { numRuns: 25 },
  );
});

test('every leaf has a proof that leads to the root; another leaf, index or size does not', () => {
  fc.assert(
    fc.property(leaves, fc.nat(), (all, any) => {
      const index = any % all.length;
      const proof = inclusionProof(all, index);
      const root = merkleRoot(all);
      const leaf = all[index]!;
      expect(rootByProof(leaf, index, all.length, proof)).toEqual(root);
      expect(rootByProof(Uint8Array.of(...leaf, 1), index, all.length, proof)).not.toEqual(root);
      expect(rootByProof(leaf, index, all.length, [...proof, root])).toBeUndefined();
      if (proof.length > 0) expect(rootByProof(leaf, index, all.length, proof.slice(1))).not.toEqual(root);
    }),
  );
});

test('a leaf that is not there has no proof', () => {
  expect(() => inclusionProof(LEAVES, 8)).toThrow('leaf 8 of a tree with 8');
  expect(rootByProof(LEAVES[0]!, 8, 8, [])).toBeUndefined();
});

test('no inner node passes for a leaf: the second preimage of a tree of two', () => {
  const [a, b] = [LEAVES[1]!, LEAVES[2]!];
  const inner = Uint8Array.of(...merkleRoot([a]), ...merkleRoot([b]));
  expect(merkleRoot([inner])).not.toEqual(merkleRoot([a, b]));
});
