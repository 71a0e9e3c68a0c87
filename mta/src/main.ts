#!/usr/bin/env -S node --max-semi-space-size=8 --no-memory-pool --heap-growing-percent=100
// The flags keep V8 from holding some 150 MB of garbage and of freed pages for later: ADR 0005.
import packageJson from '../package.json' with { type: 'json' };
import { COMMANDS, runCommandLine } from './commands/mod.ts';

// Whoever reads the output may stop reading (`| head`): that is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const exitCode = await runCommandLine(process.argv.slice(2), {
  commands: COMMANDS,
  version: packageJson.version,
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
});
// A command that did its work may still have set another code: `blast` when nothing was accepted.
// A command that failed may leave something open that would keep the process alive for ever.
if (exitCode !== 0) process.exit(exitCode);
