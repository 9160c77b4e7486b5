/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.tsx?$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/.cache', '<rootDir>/dist', '<rootDir>/demo-output'],
  // A limit for what hangs, not a measure: machines that run tests are slow and loaded.
  testTimeout: 180_000,
  // A Temporal server that all workflow tests share, started when the first of them asks for it.
  globalSetup: '<rootDir>/test/workflows/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/workflows/support/global-teardown.ts',
};
