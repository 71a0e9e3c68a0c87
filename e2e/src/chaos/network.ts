import { execFileSync } from 'node:child_process';
import { NetworkNamespace } from '../harness/network-namespace.ts';

/** Where everything of a run lives: what pods connect to, and what they connect from. */
export interface ChaosNetwork {
  /** First two octets of the addresses of receivers. */
  readonly hosts: readonly [number, number];
  readonly dns: string;
  /** Address of the host that poison goes to. */
  readonly poisonHost: string;
  /** Where NATS listens. */
  readonly nats: string;
  /** Networks that pods may deliver to and take mail from. */
  readonly allowed: string;
  readonly places: readonly PodPlace[];
  close(): Promise<void>;
}

/** What one pod has of the network. */
export interface PodPlace {
  /** Its own address, which mail comes from and clients go to. */
  readonly address: string;
  /** Where it finds NATS. */
  readonly nats: string;
  /** Begins the command that shall run there. */
  readonly prefix: readonly string[];
  /** `undefined` = this place cannot be cut off. */
  readonly links: PodLinks | undefined;
}

export interface PodLinks {
  /** Packets to and from NATS, or everything else, are lost from now on, or pass again. */
  set(link: 'nats' | 'mail', passes: boolean): void;
}

/** Everything on the loopback of this machine: no pod can be cut off. */
export function loopbackNetwork(pods: number): ChaosNetwork {
  return {
    hosts: [127, 20],
    dns: '127.0.0.1',
    poisonHost: '127.21.0.1',
    nats: '127.0.0.1',
    allowed: '127.0.0.0/8',
    places: Array.from({ length: pods }, (_, pod) => ({
      address: `127.0.5.${pod + 1}`,
      nats: '127.0.0.1',
      prefix: [],
      links: undefined,
    })),
    close: async () => {},
  };
}

/** A run is shorter. */
const NAMESPACE_SECONDS = 7_200;

/**
 * A network namespace for each pod, with one cable to NATS and one for mail. To be called in a namespace of the run's own, which is their hub: NATS,
 * receivers and clients are in it.
 */
export async function namespaceNetwork(pods: number): Promise<ChaosNetwork> {
  ip('link set lo up');
  // Every address of it is the hub's own.
  ip('route add local 10.90.0.0/16 dev lo');
  const namespaces: NetworkNamespace[] = [];
  const places: PodPlace[] = [];
  for (let pod = 0; pod < pods; pod++) {
    const namespace = await NetworkNamespace.create(NAMESPACE_SECONDS);
    namespaces.push(namespace);
    for (const [link, network] of [
      ['mail', 88],
      ['nats', 89],
    ] as const) {
      ip(`link add ${link}${pod} type veth peer name ${link} netns ${namespace.pid}`);
      ip(`address add 10.${network}.${pod}.1/24 dev ${link}${pod}`);
      ip(`link set ${link}${pod} up`);
      namespace.run(`ip address add 10.${network}.${pod}.2/24 dev ${link}`);
      namespace.run(`ip link set ${link} up`);
    }
    namespace.run(`ip route add default via 10.88.${pod}.1`);
    places.push({
      address: `10.88.${pod}.2`,
      nats: `10.89.${pod}.1`,
      prefix: namespace.prefix,
      links: { set: (link, passes) => ip(`link set ${link}${pod} ${passes ? 'up' : 'down'}`) },
    });
  }
  return {
    hosts: [10, 90],
    dns: '10.90.255.53',
    poisonHost: '10.90.255.66',
    nats: '0.0.0.0',
    allowed: '10.0.0.0/8',
    places,
    close: async () => {
      await Promise.all(namespaces.map((namespace) => namespace.close()));
    },
  };
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}
