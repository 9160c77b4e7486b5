import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const replySchema = z.strictObject({
  document: z.string().default('*'),
  step: z.string().default('*'),
  delaySeconds: z.number().nonnegative().default(0),
  exitCode: z.int().min(0).max(255).default(0),
  ends: z.enum(['exit', 'timeout']).default('exit'),
  standardOutput: z.string().default(''),
  standardError: z.string().default(''),
  agent: z.enum(['answers', 'falls-silent', 'is-away']).default('answers'),
});

const scenariosSchema = z.record(z.string().regex(/^[a-z0-9-]+$/), z.array(replySchema));

/** What a scripted agent makes of one step; scripted-replies.yaml tells the members. */
export type ScriptedReply = z.infer<typeof replySchema>;

const SUCCESS = replySchema.parse({});
const OWN_FILE = path.join(__dirname, 'scripted-replies.yaml');

/** Scenarios by name. */
export class ScriptedReplies {
  private constructor(private readonly scenarios: Record<string, ScriptedReply[]>) {}

  /** @param file YAML; the lab's own without it. @throws Error that names the file and each faulty member. */
  static async read(file: string = OWN_FILE): Promise<ScriptedReplies> {
    const text = await readFile(file, 'utf8');
    return ScriptedReplies.parse(text, file);
  }

  /** @throws Error that names the file and each faulty member. */
  static parse(text: string, file: string): ScriptedReplies {
    let source: unknown;
    try {
      source = parse(text);
    } catch (error) {
      throw new Error(`${file} is not YAML: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
    const result = scenariosSchema.safeParse(source ?? {});
    if (result.success) return new ScriptedReplies(result.data);
    const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw new Error(`${file} is not usable: ${faults.join('; ')}`);
  }

  has(scenario: string): boolean {
    return scenario === 'default' || Object.hasOwn(this.scenarios, scenario);
  }

  /** The first reply of the scenario that fits; success when none does. */
  find(scenario: string, documentName: string, stepName: string): ScriptedReply {
    const name = documentName.replace(/^arn:.*:document\//, '');
    const replies = Object.hasOwn(this.scenarios, scenario) ? (this.scenarios[scenario] ?? []) : [];
    return replies.find((reply) => fits(reply.document, name) && fits(reply.step, stepName)) ?? SUCCESS;
  }
}

function fits(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
