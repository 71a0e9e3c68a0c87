import { isDomainName } from '@sluice/crds';
import { EntryNames } from './entry-names.ts';
import { type DestinationDraft, type Draft, LayerDraft, SOURCE_SITE } from './layer-draft.ts';
import { translateDirectives, translateSourceDirectives } from './powermta-directives.ts';
import { type PowermtaBlock, type PowermtaDirective, readPowermtaFile } from './powermta-file.ts';
import { type BackoffSettings, steersPatterns, translatePatterns } from './powermta-patterns.ts';
import { VirtualMtas } from './powermta-pools.ts';
import { policyTexts } from './resource-text.ts';
import { Omissions, type Translation } from './translation.ts';

/** Connections that PowerMTA allows where nobody says anything; written down only where a reaction needs the limit. */
const POWERMTA_MAX_SMTP_OUT = 20;
const EVERYTHING = '*';
const TRANSLATED = new Set(['domain', 'virtual-mta', 'virtual-mta-pool', 'smtp-pattern-list']);

/** All blocks of one domain: what stands for all sources, and what stands for one virtual MTA. */
interface DomainDraft {
  readonly blocks: PowermtaBlock[];
  readonly perSource: { readonly virtualMta: string; readonly directives: readonly PowermtaDirective[] }[];
}

/**
 * Translates a PowerMTA configuration to EgressPools and a ShapingPolicy. Never throws: what cannot be read or said is in
 * `notTranslated`.
 *
 * Example: `powermtaConfig('<domain a.example>\nmax-smtp-out 3\n</domain>', 'config').documents[0]`
 */
export function powermtaConfig(text: string, file: string): Translation {
  const omissions = new Omissions();
  const root = readPowermtaFile(text, file);
  for (const { name, value, origin } of root.directives)
    if (name !== 'domain-macro')
      omissions.add(
        origin,
        `${name} ${value}`.trim(),
        'Not of a destination or a source; see docs/reference/settings.md.',
      );
  for (const block of root.blocks)
    if (!TRANSLATED.has(block.kind))
      omissions.add(
        block.origin,
        `<${block.kind} ${block.name}>`,
        'Not a block that the translator knows; nothing in it is translated.',
      );
  const mtas = new VirtualMtas(ofKind(root, 'virtual-mta'), omissions);
  const pools = mtas.poolTexts(ofKind(root, 'virtual-mta-pool'));
  const policies = new PolicyTranslator(root, mtas, omissions).texts(file);
  return { documents: [...pools, ...policies], notTranslated: omissions.list([file]) };
}

class PolicyTranslator {
  readonly #mtas: VirtualMtas;
  readonly #omissions: Omissions;
  readonly #lists: ReadonlyMap<string, PowermtaBlock>;
  readonly #domains = new Map<string, DomainDraft>();

  constructor(root: PowermtaBlock, mtas: VirtualMtas, omissions: Omissions) {
    this.#mtas = mtas;
    this.#omissions = omissions;
    this.#lists = new Map(ofKind(root, 'smtp-pattern-list').map((list) => [list.name.toLowerCase(), list]));
    const macros = new Map(
      root.directives.filter(({ name }) => name === 'domain-macro').map(({ value }) => macroOf(value)),
    );
    for (const block of ofKind(root, 'domain'))
      for (const domain of this.#names(block, macros)) this.#draft(domain).blocks.push(block);
    for (const mta of ofKind(root, 'virtual-mta'))
      for (const block of mta.blocks) {
        if (block.kind !== 'domain')
          this.#omissions.add(
            block.origin,
            `<${block.kind} ${block.name}>`,
            'Not a block of a virtual MTA that the translator knows.',
          );
        else
          for (const domain of this.#names(block, macros))
            this.#draft(domain).perSource.push({ virtualMta: mta.name, directives: block.directives });
      }
    const nested = [...ofKind(root, 'domain'), ...ofKind(root, 'virtual-mta-pool'), ...this.#lists.values()];
    for (const block of nested.flatMap(({ blocks }) => blocks))
      this.#omissions.add(
        block.origin,
        `<${block.kind} ${block.name}>`,
        'A block inside this one is not translated.',
      );
  }

  texts(file: string): readonly string[] {
    const widest = this.#domains.get(EVERYTHING);
    const layer = this.#layer(EVERYTHING);
    const names = new EntryNames();
    const destinations = [...this.#domains].flatMap(([domain, draft]): readonly DestinationDraft[] => {
      const origin = draft.blocks[0]?.origin ?? draft.perSource[0]?.directives[0]?.origin;
      if (domain === EVERYTHING || origin === undefined) return [];
      return [
        {
          name: names.give(domain),
          origin,
          match: { domains: [domain] },
          layer: this.#layer(domain),
          notes: [],
        },
      ];
    });
    const reacts = [layer, ...destinations.map((each) => each.layer)].some(
      (each) => each.reactions.length > 0,
    );
    if (reacts && !layer.hasLimit(SOURCE_SITE))
      layer.bound(SOURCE_SITE, 'connections', POWERMTA_MAX_SMTP_OUT);
    const origin = widest?.blocks[0]?.origin ?? { file, line: 1 };
    const notes = ['max-msg-rate counts attempted recipients: it is a recipientRate here.'];
    return policyTexts('powermta-domains', { layer, origin, notes }, destinations, this.#omissions);
  }

  #layer(domain: string): LayerDraft {
    const layer = new LayerDraft();
    const draft = this.#domains.get(domain);
    if (draft === undefined) return layer;
    translateDirectives(directivesOf(draft), layer, this.#omissions);
    for (const { virtualMta, directives } of draft.perSource)
      translateSourceDirectives(directives, this.#mtas.sourceNames(virtualMta), layer, this.#omissions);
    if (directivesOf(draft).some(steersPatterns)) layer.reactions.push(...this.#reactions(domain, draft));
    return layer;
  }

  /** A list of its own takes the place of the widest one; other settings say anew what the same patterns do. */
  #reactions(domain: string, draft: DomainDraft): readonly Draft[] {
    const settings = settingsOf(draft);
    const widest = settingsOf(this.#domains.get(EVERYTHING));
    const wanted = settings.get('smtp-pattern-list') ?? widest.get('smtp-pattern-list');
    const list = wanted === undefined ? undefined : this.#lists.get(wanted.toLowerCase());
    if (list === undefined) {
      for (const { name, value, origin } of directivesOf(draft).filter(steersPatterns))
        this.#omissions.add(
          origin,
          `${name} ${value}`,
          wanted === undefined
            ? 'No pattern list is in force that leads to backoff.'
            : `There is no pattern list ${wanted} in this file.`,
        );
      return [];
    }
    const reactions = translatePatterns(list, new Map([...widest, ...settings]), this.#omissions);
    const replaced = widest.get('smtp-pattern-list')?.toLowerCase();
    const wide =
      replaced === undefined || domain === EVERYTHING || replaced === list.name.toLowerCase()
        ? undefined
        : this.#lists.get(replaced);
    if (wide === undefined) return reactions;
    const own = new Set(reactions.map(({ name }) => name));
    const off = translatePatterns(wide, widest, this.#omissions).filter(({ name }) => !own.has(name));
    return [...reactions, ...off.map(({ name }) => ({ name, state: 'Disabled' }))];
  }

  #draft(domain: string): DomainDraft {
    const draft = this.#domains.get(domain) ?? { blocks: [], perSource: [] };
    this.#domains.set(domain, draft);
    return draft;
  }

  /** The domains that a block names: one, all of a macro, or everything. */
  #names(block: PowermtaBlock, macros: ReadonlyMap<string, readonly string[]>): readonly string[] {
    if (block.name === EVERYTHING) return [EVERYTHING];
    const written = block.name.startsWith('$')
      ? (macros.get(block.name.slice(1).toLowerCase()) ?? [block.name])
      : [block.name];
    return written.flatMap((name) => {
      const domain = name.toLowerCase().replace(/\.$/, '');
      if (isDomainName(domain)) return [domain];
      this.#omissions.add(
        block.origin,
        `<domain ${block.name}>`,
        `The block is left out for "${name}", which is no domain name.`,
      );
      return [];
    });
  }
}

function ofKind(root: PowermtaBlock, kind: string): readonly PowermtaBlock[] {
  return root.blocks.filter((block) => block.kind === kind);
}

function directivesOf(draft: DomainDraft): readonly PowermtaDirective[] {
  return draft.blocks.flatMap(({ directives }) => directives);
}

function settingsOf(draft: DomainDraft | undefined): BackoffSettings {
  const steering = draft === undefined ? [] : directivesOf(draft).filter(steersPatterns);
  return new Map(steering.map(({ name, value }) => [name, value]));
}

/** `domain-macro yahoo yahoo.com, ymail.com` */
function macroOf(value: string): readonly [string, readonly string[]] {
  const [name = '', ...domains] = value.split(/[\s,]+/).filter((word) => word !== '');
  return [name.toLowerCase(), domains];
}
