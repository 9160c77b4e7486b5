/** Runs `create` and takes an answer of "it exists" (one of `codes`) as done: set-up can be run again at any time. */
export async function unlessThere(create: () => Promise<unknown>, ...codes: string[]): Promise<'created' | 'there'> {
  try {
    await create();
    return 'created';
  } catch (error) {
    if (error instanceof Error && codes.includes(error.name)) return 'there';
    throw error;
  }
}
