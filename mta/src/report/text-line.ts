/**
 * A JSON line of the log as people read it; what is not JSON comes back unchanged.
 *
 * Example: `{"level":"warn","time":"2026-12-01T10:00:00.000Z","file":"a.yaml","msg":"broken"}` →
 * `10:00:00.000 WARN  broken  file=a.yaml`
 */
export function textLine(json: string): string {
  const parsed = parse(json);
  if (parsed === undefined) return json;
  const { level, time, msg, ...fields } = parsed;
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${String(msg ?? '')}`;
  const tail = Object.entries(fields).map(([name, value]) => `  ${name}=${fieldText(value)}`);
  return `${head}${tail.join('')}\n`;
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
