/** The admin side of an MTA: probes, metrics, views of the queue. */
export {
  type AdminServer,
  type AdminServerOptions,
  LISTING_FILTERS,
  type QueueListing,
  startAdminServer,
} from './admin-server.ts';
export { configurationCheck, drainingCheck, listenerCheck, spoolCheck } from './checks.ts';
export type { ChosenMail, DirectiveRoutes } from './directive-routes.ts';
export { type CheckResult, type Readiness, type ReadinessCheck, readiness } from './readiness.ts';
