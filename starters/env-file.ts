import { config } from 'dotenv';

/**
 * Takes settings from the file that FORENSICS_ENV_FILE names, else from `forensics.env` in the working folder if there
 * is one. What the environment already says wins.
 */
export function loadEnvFile(): void {
  config({ path: process.env.FORENSICS_ENV_FILE ?? 'forensics.env', quiet: true });
}
