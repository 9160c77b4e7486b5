export * from './isolation-profiles';
export * from './layer';
export * from './measurement';
export * from './plan';
export * from './plan-containment';
export * from './plan-hash';
export * from './result';
export * from './result-of-layers';
