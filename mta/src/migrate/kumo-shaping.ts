import { isDomainName } from '@sluice/crds';
import { EntryNames, entryNameOf } from './entry-names.ts';
import { translateAutomation } from './kumo-automation.ts';
import { isTable, type KumoBlock, type KumoOption, membersOf, readKumoBlocks } from './kumo-blocks.ts';
import { throttleOf, translateOption, translateSourceOption } from './kumo-options.ts';
import { type DestinationDraft, type Draft, LayerDraft, SOURCE_SITE } from './layer-draft.ts';
import { countOf } from './quantity.ts';
import { policyTexts } from './resource-text.ts';
import { type InputFile, Omissions, type Translation } from './translation.ts';

/** What KumoMTA allows where nobody says anything; written down only where a reaction needs the limit. */
const KUMO_CONNECTION_LIMIT = 32;

const NAMED_LIMITS: Readonly<Record<string, 'connections' | 'recipientRate'>> = {
  additional_connection_limits: 'connections',
  additional_message_rate_throttles: 'recipientRate',
};

/**
 * Translates KumoMTA's shaping files (TOML, or JSON where the name ends so) to a ShapingPolicy. A later file refines those
 * before it, as it does there. Never throws: what cannot be read or said is in `notTranslated`.
 *
 * Example: `kumoShaping([{ name: 'shaping.toml', text: '["a.example"]\nconnection_limit = 3' }]).documents[0]`
 */
export function kumoShaping(files: readonly InputFile[]): Translation {
  const omissions = new Omissions();
  const blocks = readKumoBlocks(files, omissions);
  const translator = new ShapingTranslator(blocks, omissions);
  const wide = blocks.find((block) => block.kind === 'default');
  const layer = wide === undefined ? new LayerDraft() : translator.layer(wide, 'default', false);
  const destinations = blocks.flatMap((block) => translator.destination(block));
  const reacts = [layer, ...destinations.map((each) => each.layer)].some((each) => each.reactions.length > 0);
  if (reacts && !layer.hasLimit(SOURCE_SITE)) layer.bound(SOURCE_SITE, 'connections', KUMO_CONNECTION_LIMIT);
  const origin = wide?.origin ?? { file: files[0]?.name ?? '', line: 1 };
  const notes = ['Retries are those of Sluice: KumoMTA sets them in its queues, not in its shaping files.'];
  const documents = policyTexts('kumo-shaping', { layer, origin, notes }, destinations, omissions);
  return { documents, notTranslated: omissions.list(files.map((file) => file.name)) };
}

class ShapingTranslator {
  readonly #omissions: Omissions;
  readonly #names = new EntryNames();
  /** Suffixes and domains that an earlier block has claimed, with its name. */
  readonly #claims = new Map<string, string>();
  /** In how many blocks a named limit stands: its counter is shared by all of them. */
  readonly #shared = new Map<string, number>();

  constructor(blocks: readonly KumoBlock[], omissions: Omissions) {
    this.#omissions = omissions;
    for (const block of blocks)
      for (const options of [block.options, ...block.sources.values()])
        for (const [option, { value }] of options)
          if (Object.hasOwn(NAMED_LIMITS, option))
            for (const [name] of membersOf(value)) this.#shared.set(name, (this.#shared.get(name) ?? 0) + 1);
  }

  destination(block: KumoBlock): readonly DestinationDraft[] {
    if (block.kind === 'default') return [];
    const match = block.kind === 'domain' ? this.#domainMatch(block) : this.#providerMatch(block);
    if (match === undefined) return [];
    const name = this.#names.give(block.name);
    const isGroup = match.mxSuffixes !== undefined;
    const rollup = block.kind === 'domain' && block.options.get('mx_rollup')?.value !== false;
    const note = 'KumoMTA applied it to every domain of the same MX set; match.mxSuffixes would do that.';
    const layer = this.layer(block, name, isGroup);
    return [{ name, origin: block.origin, match, layer, notes: rollup ? [note] : [] }];
  }

  layer(block: KumoBlock, name: string, isGroup: boolean): LayerDraft {
    const layer = new LayerDraft();
    for (const option of block.options.values()) {
      if (Object.hasOwn(NAMED_LIMITS, option.name)) this.#namedLimits(block, option, layer, isGroup);
      // Roll-up switched off is what a destination by domain is anyway.
      else if (option.name !== 'mx_rollup' || option.value !== false)
        translateOption(option, layer, isGroup, this.#omissions);
    }
    for (const [source, options] of block.sources) {
      const sourceName = entryNameOf(source);
      for (const option of options.values()) {
        if (sourceName === '')
          this.#omissions.add(
            option.origin,
            option.directive,
            'The source has no name that Sluice can have.',
          );
        else if (Object.hasOwn(NAMED_LIMITS, option.name))
          this.#omissions.add(option.origin, option.directive, SHARED);
        else translateSourceOption(option, sourceName, layer, isGroup, this.#omissions);
      }
      const first = [...options.values()][0];
      if (first !== undefined && sourceName !== source)
        this.#omissions.add(
          first.origin,
          first.directive,
          `The source is called ${sourceName} here: call it so in its EgressPool.`,
        );
    }
    layer.reactions.push(...translateAutomation(block, name, this.#omissions));
    return layer;
  }

  #domainMatch(block: KumoBlock): Draft | undefined {
    const domain = block.name.toLowerCase().replace(/\.$/, '');
    if (!isDomainName(domain)) {
      this.#omissions.add(block.origin, block.name, 'The block is left out: its name is no domain name.');
      return undefined;
    }
    return this.#claim('domain', domain, block.name, block) ? { domains: [domain] } : undefined;
  }

  #providerMatch(block: KumoBlock): Draft | undefined {
    const lists: { mxSuffixes: string[]; domainSuffixes: string[] } = { mxSuffixes: [], domainSuffixes: [] };
    for (const condition of block.match) {
      for (const [kind, value] of conditionsOf(condition)) {
        const suffix = String(value)
          .toLowerCase()
          .replace(/^\.+|\.+$/g, '');
        const list = kind === 'DomainSuffix' ? 'domainSuffixes' : 'mxSuffixes';
        if (!['DomainSuffix', 'MXSuffix', 'HostName'].includes(kind) || !isDomainName(suffix)) {
          this.#omissions.add(
            condition.origin,
            condition.directive,
            `Not a condition that the translator can read: ${kind}=${JSON.stringify(value)}.`,
          );
          continue;
        }
        if (String(value).endsWith('.') && kind !== 'DomainSuffix')
          this.#omissions.add(
            condition.origin,
            condition.directive,
            `"${suffix}" is translated without its final dot, with which KumoMTA never matches a host: what was without effect there has one here.`,
          );
        if (this.#claim(list, suffix, block.name, condition)) lists[list].push(suffix);
      }
    }
    const match = Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
    if (Object.keys(match).length > 0) return match;
    this.#omissions.add(
      block.origin,
      `provider.${block.name}`,
      'The block is left out: it has no match of its own, so KumoMTA never applies it. If another provider is meant, give it that name.',
    );
    return undefined;
  }

  #claim(
    kind: string,
    name: string,
    owner: string,
    place: Pick<KumoOption, 'origin'> & { readonly directive?: string },
  ): boolean {
    const key = `${kind} ${name}`;
    const claimed = this.#claims.get(key);
    if (claimed === undefined) this.#claims.set(key, owner);
    else if (claimed !== owner)
      this.#omissions.add(
        place.origin,
        place.directive ?? owner,
        `"${name}" belongs to "${claimed}" already: a domain is in one destination of a kind.`,
      );
    return claimed === undefined;
  }

  /** A named limit is one counter for all that name it; where one block does, our `per` can say so. */
  #namedLimits(block: KumoBlock, option: KumoOption, layer: LayerDraft, isGroup: boolean): void {
    const bound = NAMED_LIMITS[option.name];
    for (const [wanted, value] of membersOf(option.value)) {
      const say = (reason: string) =>
        this.#omissions.add(option.origin, `${option.directive}.${wanted}`, reason);
      const name = entryNameOf(wanted);
      const read = bound === 'connections' ? countOf(value) : throttleOf(value, say);
      if (
        (this.#shared.get(wanted) ?? 0) > 1 ||
        block.kind === 'default' ||
        (block.kind === 'provider' && !isGroup)
      )
        say(SHARED);
      else if (bound === undefined || read === undefined || name === '')
        say('Not a name and value that the translator can read.');
      else
        layer.bound(`shared-${name}`.slice(0, 63).replace(/-+$/, ''), bound, read, [
          isGroup ? 'Group' : 'Domain',
        ]);
    }
    if (!isTable(option.value))
      this.#omissions.add(option.origin, option.directive, 'Not a table of limits.');
  }
}

const SHARED =
  'One counter for everything that names it has no counterpart; the nearest is a limit per Group, Pool or Tenant.';

function conditionsOf(condition: KumoOption): readonly (readonly [string, unknown])[] {
  const members = membersOf(condition.value);
  return members.length > 0 ? members : [[String(condition.name), condition.value]];
}
