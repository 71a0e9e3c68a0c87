#!/usr/bin/env node
import packageJson from '../package.json' with { type: 'json' };
import { COMMANDS, runCommandLine } from './commands/mod.ts';

process.exitCode = await runCommandLine(process.argv.slice(2), {
  commands: COMMANDS,
  version: packageJson.version,
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
});
