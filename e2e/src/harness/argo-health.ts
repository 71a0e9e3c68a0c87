import { execFile, execFileSync } from 'node:child_process';

/** What Argo CD shows of a resource. */
export interface ArgoHealth {
  readonly status: string;
  readonly message: string;
}

/** Why health scripts cannot be run here, in the words that `skip` shows; `false` = they can. */
export function skipWithoutLua(notCovered: string): string | false {
  try {
    execFileSync('lua5.1', ['-v'], { stdio: 'ignore' });
    return false;
  } catch {
    return `lua5.1 is not installed: NOT COVERED: ${notCovered}`;
  }
}

/** As Argo CD runs scripts: Lua 5.1 with the object as `obj`, without files, processes and modules. */
const RUNNER = `
local script, object = arg[1], arg[2]
local health = assert(loadstring(script))
local world = { pairs = pairs, ipairs = ipairs, type = type, tostring = tostring, tonumber = tonumber, string = string, table = table, math = math }
world.obj = assert(loadstring("return " .. object))()
setfenv(health, world)
local hs = health()
io.write(hs.status, "\\n", hs.message or "")
`;

/**
 * Runs a health script of Argo CD on an object, with a real Lua 5.1.
 *
 * Example: `await argoHealth(readFileSync('health.lua', 'utf8'), pool)` → `{ status: 'Healthy', message: '…' }`
 */
export function argoHealth(script: string, object: unknown): Promise<ArgoHealth> {
  return new Promise((resolve, reject) => {
    const child = execFile('lua5.1', ['-', script, luaValue(object)], (error, out, err) => {
      if (error !== null) return reject(new Error(err));
      const [status = '', ...message] = out.split('\n');
      resolve({ status, message: message.join('\n') });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(RUNNER);
  });
}

/** A value of JSON as Lua writes it; like Argo CD, without what is null. */
function luaValue(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(luaValue).join(',')}}`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
    return `{${members.map(([name, member]) => `[${luaText(name)}]=${luaValue(member)}`).join(',')}}`;
  }
  return typeof value === 'string' ? luaText(value) : String(value);
}

/** Every byte that could mean something as a decimal escape, the one that Lua 5.1 has. */
function luaText(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) =>
    byte >= 32 && byte < 127 && byte !== 34 && byte !== 92
      ? String.fromCharCode(byte)
      : `\\${String(byte).padStart(3, '0')}`,
  );
  return `"${bytes.join('')}"`;
}
