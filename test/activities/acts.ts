import { ActsOfAttempt, gatherActs, type NotedAct } from '../../activities/custody-acts';

/** What steps tell for the custody log while `run` runs. */
export async function actsOf(run: () => Promise<unknown>): Promise<NotedAct[]> {
  const acts = new ActsOfAttempt();
  await gatherActs(acts, run);
  return acts.all('the step');
}
