/** Intake: mail comes in over SMTP, is checked, and is handed over to be stored. */
export type { AcceptMessage, Rejection } from './contract.ts';
export type { BareLineEnding } from './data-phase.ts';
export type { MappedHeaders } from './header-scan.ts';
export {
  type AuthUser,
  DEFAULT_LISTENER_LIMITS,
  type IntakePhase,
  type ListenerHooks,
  type ListenerLimits,
  type ListenerTls,
  type RefusedMail,
  type SmtpListenerOptions,
  type TenantFacts,
  type TlsMaterial,
} from './listener-options.ts';
export { passwordCheck } from './password-check.ts';
export { smtpRepliesPage } from './replies-page.ts';
export { type SmtpListener, startSmtpListener } from './smtp-listener.ts';
