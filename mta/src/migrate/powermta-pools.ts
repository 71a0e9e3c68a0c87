import { API_VERSION, canonicalAddress, isDomainName } from '@sluice/crds';
import { EntryNames } from './entry-names.ts';
import type { Draft } from './layer-draft.ts';
import type { PowermtaBlock, PowermtaDirective } from './powermta-file.ts';
import { place, resourceText } from './resource-text.ts';
import type { Omissions, Origin } from './translation.ts';

/** A source of an EgressPool, from a `<virtual-mta>`. */
interface Source {
  readonly name: string;
  readonly address: string;
  readonly ehlo: string;
  readonly origin: Origin;
}

/** The virtual MTAs of a file: sources by the name of the virtual MTA in lower case. */
export class VirtualMtas {
  readonly #sources = new Map<string, readonly Source[]>();
  readonly #omissions: Omissions;

  constructor(blocks: readonly PowermtaBlock[], omissions: Omissions) {
    this.#omissions = omissions;
    const names = new EntryNames();
    for (const block of blocks) {
      const key = block.name.toLowerCase();
      this.#sources.set(key, [...(this.#sources.get(key) ?? []), ...this.#sourcesOf(block, names)]);
    }
  }

  /** Names of the sources of one virtual MTA. */
  sourceNames(virtualMta: string): readonly string[] {
    return (this.#sources.get(virtualMta.toLowerCase()) ?? []).map(({ name }) => name);
  }

  /** A pool for each `<virtual-mta-pool>`, and one for each virtual MTA that is in none. */
  poolTexts(pools: readonly PowermtaBlock[]): readonly string[] {
    const names = new EntryNames();
    const pooled = new Set<string>();
    const texts = pools.map((pool) => {
      const sources = pool.directives.flatMap((directive) => this.#member(directive, pooled));
      return this.#poolText(names.give(pool.name, 'pool'), sources, pool.origin);
    });
    for (const [key, sources] of this.#sources) {
      const origin = sources[0]?.origin;
      if (!pooled.has(key) && origin !== undefined)
        texts.push(this.#poolText(names.give(key, 'pool'), sources, origin));
    }
    return texts.filter((text) => text !== undefined);
  }

  #member({ name, value, origin }: PowermtaDirective, pooled: Set<string>): readonly Source[] {
    const key = value.toLowerCase();
    const sources = name === 'virtual-mta' ? this.#sources.get(key) : undefined;
    if (sources === undefined)
      this.#omissions.add(
        origin,
        `${name} ${value}`,
        name === 'virtual-mta'
          ? 'There is no such virtual MTA in this file.'
          : 'Not a directive of a pool that the translator knows.',
      );
    pooled.add(key);
    return sources ?? [];
  }

  #poolText(name: string, sources: readonly Source[], origin: Origin): string | undefined {
    const distinct = [...new Map(sources.map((source) => [source.name, source])).values()];
    if (distinct.length === 0) {
      this.#omissions.add(origin, name, 'The pool is left out: none of its sources is translated.');
      return undefined;
    }
    this.#omissions.add(
      origin,
      name,
      'Which mail takes the pool is not said here: give it a match by tenant, class or sender.',
    );
    const comments = new Map<unknown, readonly string[]>();
    const origins = new Map<unknown, Origin>();
    const entries = distinct.map((source) => {
      const entry = { name: source.name, address: source.address, ehlo: source.ehlo };
      comments.set(entry, [place(source.origin)]);
      origins.set(entry, source.origin);
      return entry;
    });
    const content: Draft = {
      apiVersion: API_VERSION,
      kind: 'EgressPool',
      metadata: { name },
      spec: { egress: { type: 'Bind', bind: {} }, sources: entries },
    };
    const head = [
      place(origin),
      'Without a match it takes all mail; address is the public one, bind.address one behind NAT.',
    ];
    return resourceText({ content, head, comments, origins, origin }, this.#omissions);
  }

  #sourcesOf(block: PowermtaBlock, names: EntryNames): readonly Source[] {
    const hostName = block.directives.findLast(({ name }) => name === 'host-name')?.value;
    const sources = block.directives.flatMap((directive): readonly Source[] => {
      const { name, value, origin } = directive;
      const say = (reason: string) => this.#omissions.add(origin, name, reason);
      if (name === 'host-name') return [];
      if (name !== 'smtp-source-host') {
        say('Not a directive of a virtual MTA that the translator knows.');
        return [];
      }
      const [written = '', ehlo = hostName ?? ''] = value.split(/[\s,]+/);
      const address = canonicalAddress(written.replace(/^\[|\]$/g, ''));
      const helo = ehlo.toLowerCase().replace(/\.$/, '');
      if (address !== undefined && isDomainName(helo))
        return [{ name: names.give(block.name, 'source'), address, ehlo: helo, origin }];
      say(
        `The source is left out: ${address === undefined ? 'it has no address' : 'a source needs the name that it says in EHLO'}.`,
      );
      return [];
    });
    if (!block.directives.some(({ name }) => name === 'smtp-source-host'))
      this.#omissions.add(
        block.origin,
        block.name,
        'The virtual MTA has no smtp-source-host, so there is no source to make of it.',
      );
    return sources;
  }
}
