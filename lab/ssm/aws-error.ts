/** An error that goes to the caller in AWS JSON 1.1 form: `{"__type": code, "message": message}`. */
export class AwsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly httpStatus = 400,
  ) {
    super(message);
    this.name = 'AwsError';
  }
}

/** A request that breaks a rule of the API model (SSM answers these with ValidationException). */
export function invalidRequest(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
