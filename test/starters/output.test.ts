import { bytes, printable, table } from '../../starters/cli/output';

describe('terminal output', () => {
  test('shows control and direction-changing characters of hostile text instead of obeying them', () => {
    expect(printable('a\u001b[2Jb\rc\u202ed\u009b31m')).toBe('a\\x1b[2Jb\\x0dc\\u202ed\\x9b31m');
  });

  test('keeps line breaks and letters of any script', () => {
    expect(printable('zwei\nZeilen: äß漢')).toBe('zwei\nZeilen: äß漢');
  });

  test('escapes table cells', () => {
    expect(table(['name'], [['\u001b]0;title\u0007']])).toContain('\\x1b]0;title\\x07');
  });

  test('tells sizes in binary units', () => {
    expect([bytes(0), bytes(1023), bytes(1024), bytes(5 * 1024 ** 3)]).toEqual(['0 B', '1023 B', '1.0 KiB', '5.0 GiB']);
  });
});
