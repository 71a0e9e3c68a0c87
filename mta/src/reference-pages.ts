import {
  conditionsPage,
  EGRESS_POOL_PAGE,
  errorsPage,
  resourcePage,
  SHAPING_POLICY_PAGE,
} from '@sluice/crds';
import { providersPage, settingsPage } from './config/mod.ts';
import { smtpRepliesPage } from './intake/mod.ts';
import { eventsPage, metricsPage } from './report/mod.ts';

/** Generated pages under docs/reference: file name → text. Checked in; a test compares them with the code. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    'conditions.md': conditionsPage(),
    'egresspool.md': resourcePage(EGRESS_POOL_PAGE),
    'errors.md': errorsPage(),
    'events.md': eventsPage(),
    'metrics.md': metricsPage(),
    'providers.md': providersPage(),
    'settings.md': settingsPage(),
    'shapingpolicy.md': resourcePage(SHAPING_POLICY_PAGE),
    'smtp-replies.md': smtpRepliesPage(),
  };
}

/** Where they live. */
export const REFERENCE_DIRECTORY = new URL('../../docs/reference/', import.meta.url);
