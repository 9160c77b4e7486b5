/** Evidence stays in its Region, and so do the workers that handle it: one queue a Region. */
export const taskQueueOf = (region: string): string => `forensics.${region}`;
