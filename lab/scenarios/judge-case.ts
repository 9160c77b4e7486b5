import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import type { S3Location } from '../../domain/evidence';
import type { ExaminationFinding, ExaminationResult } from '../../domain/examination';
import type { CaseOutcome } from '../../domain/outcome';
import { judgeScenario, type ScenarioJudgement } from './expected-findings';
import type { PlantingReport } from './plant';
import type { Scenario } from './scenario';

/** Opens an object of the evidence bucket. */
export type OpenObject = (location: S3Location) => Promise<Readable>;

const read = async (open: OpenObject, location: S3Location): Promise<string> => {
  const stream = await open(location);
  return text(location.key.endsWith('.gz') ? stream.pipe(createGunzip()) : stream);
};

/** Holds what a closed case found in an instance's memory and on its root volume against what a scenario planted there. */
export async function judgeCase(
  scenario: Scenario,
  { examinations }: CaseOutcome,
  rootVolumeId: string,
  open: OpenObject,
  report?: PlantingReport,
): Promise<ScenarioJudgement> {
  const findings = await Promise.all(examinations.map((one) => findingsOf(one, open)));
  const timeline = examinations.find(({ exhibit }) => exhibit === rootVolumeId)?.timeline;
  const plugins = examinations.filter(({ kind }) => kind === 'memory').flatMap(({ tools }) => tools);
  const memory: Record<string, string> = {};
  for (const { tool, output } of plugins) if (output) memory[tool] = await read(open, output);
  return judgeScenario(
    scenario,
    {
      findings: findings.flat(),
      ...(timeline && { timeline: (await read(open, timeline)).split('\n') }),
      ...(plugins.length > 0 && { memory }),
    },
    report,
  );
}

async function findingsOf(result: ExaminationResult, open: OpenObject): Promise<ExaminationFinding[]> {
  if (!result.allFindings) return result.findings;
  return JSON.parse(await read(open, result.allFindings)) as ExaminationFinding[];
}
