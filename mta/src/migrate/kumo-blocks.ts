import { parse, TomlError } from 'smol-toml';
import { TomlLines } from './toml-lines.ts';
import type { InputFile, Omissions, Origin } from './translation.ts';

/** One option of a block, as the last file that sets it says. */
export interface KumoOption {
  readonly name: string;
  readonly value: unknown;
  readonly origin: Origin;
  /** With its block, for messages: `provider.google.connection_limit`. */
  readonly directive: string;
}

/** A domain, a provider or the default, merged over the files. */
export interface KumoBlock {
  readonly kind: 'default' | 'domain' | 'provider';
  readonly name: string;
  readonly origin: Origin;
  readonly options: Map<string, KumoOption>;
  /** By the name of the source. */
  readonly sources: Map<string, Map<string, KumoOption>>;
  readonly automation: KumoOption[];
  /** Conditions of a provider, in order. */
  readonly match: KumoOption[];
}

/** Reads shaping files; a later one refines the blocks of those before it. Never throws. */
export function readKumoBlocks(files: readonly InputFile[], omissions: Omissions): readonly KumoBlock[] {
  const blocks = new Map<string, KumoBlock>();
  for (const file of files) new BlockReader(file, blocks, omissions).read();
  return [...blocks.values()];
}

class BlockReader {
  readonly #file: InputFile;
  readonly #blocks: Map<string, KumoBlock>;
  readonly #omissions: Omissions;
  readonly #lines: TomlLines;

  constructor(file: InputFile, blocks: Map<string, KumoBlock>, omissions: Omissions) {
    this.#file = file;
    this.#blocks = blocks;
    this.#omissions = omissions;
    this.#lines = new TomlLines(isJson(file) ? '' : file.text);
  }

  read(): void {
    const content = this.#parsed();
    for (const [name, value] of membersOf(content)) {
      if (name === 'provider') {
        for (const [provider, block] of membersOf(value))
          this.#block('provider', provider, ['provider', provider], block);
      } else this.#block(name === 'default' ? 'default' : 'domain', name, [name], value);
    }
  }

  #parsed(): unknown {
    const { name, text } = this.#file;
    try {
      return isJson(this.#file) ? JSON.parse(text) : parse(text);
    } catch (error) {
      const line = error instanceof TomlError ? error.line : 1;
      const what = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      this.#omissions.add(
        { file: name, line },
        '',
        `Nothing of this file is translated, it cannot be read: ${what}`,
      );
      return {};
    }
  }

  #block(kind: KumoBlock['kind'], name: string, path: readonly string[], value: unknown): void {
    const origin = this.#origin(path);
    if (!isTable(value)) {
      this.#omissions.add(origin, path.join('.'), 'Not a block: a table of options is expected here.');
      return;
    }
    const key = path.join('\n');
    const block: KumoBlock = this.#blocks.get(key) ?? {
      kind,
      name,
      origin,
      options: new Map(),
      sources: new Map(),
      automation: [],
      match: [],
    };
    this.#blocks.set(key, block);
    for (const [option, content] of membersOf(value)) {
      const at = [...path, option];
      if (option === 'sources') this.#sources(block, at, content);
      else if (option === 'automation') block.automation.push(...this.#list(at, content));
      else if (option === 'match' && kind === 'provider') block.match.push(...this.#list(at, content));
      else block.options.set(option, this.#option(at, content));
    }
  }

  #sources(block: KumoBlock, path: readonly string[], value: unknown): void {
    if (!isTable(value)) this.#omissions.add(this.#origin(path), path.join('.'), 'Not a table of sources.');
    for (const [source, options] of membersOf(value)) {
      const at = [...path, source];
      if (!isTable(options)) this.#omissions.add(this.#origin(at), at.join('.'), 'Not a table of options.');
      const known = block.sources.get(source) ?? new Map<string, KumoOption>();
      block.sources.set(source, known);
      for (const [option, content] of membersOf(options))
        known.set(option, this.#option([...at, option], content));
    }
  }

  #list(path: readonly string[], value: unknown): readonly KumoOption[] {
    if (!Array.isArray(value)) {
      this.#omissions.add(this.#origin(path), path.join('.'), 'Not a list.');
      return [];
    }
    return value.map((entry: unknown, index) => this.#option([...path, String(index)], entry));
  }

  #option(path: readonly string[], value: unknown): KumoOption {
    return { name: path.at(-1) ?? '', value, origin: this.#origin(path), directive: path.join('.') };
  }

  #origin(path: readonly string[]): Origin {
    return { file: this.#file.name, line: this.#lines.of(path) };
  }
}

export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

export function membersOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isTable(value) ? Object.entries(value) : [];
}

function isJson(file: InputFile): boolean {
  return file.name.endsWith('.json');
}
