/** Translators of other mail systems' settings to our resources. Pure: text in, text out. */
export { kumoShaping } from './kumo-shaping.ts';
export { powermtaConfig } from './powermta-config.ts';
export type { InputFile, NotTranslated, Translation } from './translation.ts';
