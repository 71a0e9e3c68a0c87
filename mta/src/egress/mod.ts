/** Which source a connection leaves from, and how it leaves. */
export { type DialTarget, dial } from './dial.ts';
export { createSourceChoice, LEAD_QUANTUM_MESSAGES, type SourceChoice } from './source-choice.ts';
export { localAddressOf, sourceFamily } from './source-family.ts';
