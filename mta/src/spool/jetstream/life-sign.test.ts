import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { z } from 'zod';
import { hasEnded, NO_LIFE_SIGN, showLifeSign } from './life-sign.ts';

const signSchema = z.object({ home: z.string(), socket: z.string() });
const skip =
  process.platform === 'linux'
    ? false
    : 'only Linux has sockets that end with their process and leave nothing';

test('a process that is stopped lives, one that was killed does not: nobody may take its mail before, and nobody need wait after', {
  skip,
}, async (context) => {
  const own = await showLifeSign();
  const code = `import { showLifeSign } from ${JSON.stringify(import.meta.resolve('./life-sign.ts'))};
    console.log(JSON.stringify(await showLifeSign()));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const other = signSchema.parse(JSON.parse(String(line)));
  assert.equal(await hasEnded(own, other), false);
  child.kill('SIGSTOP');
  for (let asked = 0; asked < 600; asked++) assert.equal(await hasEnded(own, other), false, 'stopped');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(await hasEnded(own, other), true);
  assert.equal(await hasEnded({ ...own, home: 'another machine' }, other), false, 'seen from elsewhere');
  assert.equal(await hasEnded(own, NO_LIFE_SIGN), false, 'one that shows nothing');
});
