import type { Problem } from '../config/mod.ts';

/** What one check says. */
export interface CheckResult {
  /**
   * `ok`; `degraded` = works, but somebody should look (a broken change of the configuration: the last good one is in
   * force); `failing` = no mail should be sent here now.
   */
  readonly status: 'ok' | 'degraded' | 'failing';
  /** One sentence for people. */
  readonly detail: string;
  readonly problems?: readonly Problem[];
}

export interface ReadinessCheck {
  readonly name: string;
  readonly run: () => CheckResult | Promise<CheckResult>;
}

export interface Readiness {
  /** `false` = answer 503: some check is failing. */
  readonly ready: boolean;
  readonly checks: readonly (CheckResult & { readonly name: string })[];
}

/** A check that does not answer for so long is failing: the kubelet itself waits one second by default. */
export const CHECK_TIMEOUT_MS = 800;

/** Runs all checks at once; a check that throws or hangs is failing, never an exception. */
export async function readiness(
  checks: readonly ReadinessCheck[],
  timeoutMs = CHECK_TIMEOUT_MS,
): Promise<Readiness> {
  const results = await Promise.all(
    checks.map(async (check) => ({ name: check.name, ...(await runCheck(check, timeoutMs)) })),
  );
  return { ready: results.every(({ status }) => status !== 'failing'), checks: results };
}

async function runCheck(check: ReadinessCheck, timeoutMs: number): Promise<CheckResult> {
  const { promise: late, resolve } = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(
    () => resolve({ status: 'failing', detail: `no answer within ${timeoutMs} ms` }),
    timeoutMs,
  );
  try {
    return await Promise.race([check.run(), late]);
  } catch (error) {
    return { status: 'failing', detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
