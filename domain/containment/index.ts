export * from './isolation-profiles';
export * from './layer';
export * from './plan';
export * from './plan-hash';
export * from './result';
