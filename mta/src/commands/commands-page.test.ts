import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Command } from 'commander';
import { COMMANDS } from './command-list.ts';

const PAGE = readFileSync(new URL('../../../docs/reference/commands.md', import.meta.url), 'utf8');

/** Sections of the page by the command that they are about. */
const SECTIONS = new Map(
  PAGE.split(/^## /m).flatMap((section) => {
    const [, name] = /^sluice (\S+)\n/.exec(section) ?? [];
    return name === undefined ? [] : [[name, section] as const];
  }),
);

test('every command has a section, in the order of the help, and no section is about a command that is gone', () => {
  assert.deepEqual(
    [...SECTIONS.keys()],
    COMMANDS.map(({ name }) => name),
  );
});

for (const { name, load } of COMMANDS) {
  test(`sluice ${name}: the page has every option and argument of its help with a row each, and no other`, async () => {
    const program = new Command();
    (await load())(program);
    const [command] = program.commands;
    assert.ok(command);
    const written = [...(SECTIONS.get(name) ?? '').matchAll(/^\| `([^`]+)` \|/gm)].map(([, flags]) => flags);
    const known = [
      ...argumentsOf(command),
      ...command.options.map(({ flags }) => flags),
      ...command.commands.flatMap((sub) => [
        [sub.name(), ...argumentsOf(sub)].join(' '),
        ...sub.options.map(({ flags }) => flags),
      ]),
    ];
    assert.deepEqual(written, known);
    assert.notEqual(command.description(), '');
  });

  test(`sluice ${name} --help ends with examples that its own command line takes`, async () => {
    const program = new Command();
    (await load())(program);
    const [command] = program.commands;
    assert.ok(command);
    let help = '';
    for (const one of [command, ...command.commands])
      one.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    const options = [command, ...command.commands].flatMap((one) => one.options);
    const examples = [...help.matchAll(/^ {2}\$? ?(?:.* && )?sluice (\S+)(.*)$/gm)];
    assert.ok(examples.length > 0, help);
    for (const [, example, rest = ''] of examples) {
      assert.equal(example, name);
      for (const [flag] of rest.matchAll(/--[a-z-]+/g))
        assert.ok(flag === '--json' || options.some(({ long }) => long === flag), flag);
    }
  });
}

function argumentsOf(command: Command): readonly string[] {
  return command.registeredArguments.map((argument) =>
    argument.variadic ? `<${argument.name()}...>` : `<${argument.name()}>`,
  );
}
