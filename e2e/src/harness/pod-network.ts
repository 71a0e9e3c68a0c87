import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { NetworkNamespace } from './network-namespace.ts';

/** Address of the API server towards pods: the first of the Services, as everywhere. */
export const API_SERVICE = '10.0.0.1';
/** What routes the packets of pods. */
const GATEWAY = '10.244.0.1';

/** Where a Service leads. */
export interface ServiceRoute {
  readonly address: string;
  readonly port: number;
  readonly targets: readonly { readonly address: string; readonly port: number }[];
}

/**
 * The network of a node with pods, in the network that this process has to itself: each pod a namespace with one card, Services as rules of nftables, as kube-proxy makes them. Nothing
 * leads out of it.
 */
export class PodNetwork {
  readonly #apiPort: number;
  #last = 1;

  /** To be made once, by a process in a network of its own. */
  constructor(apiPort: number) {
    this.#apiPort = apiPort;
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    // Pods reach the API server, which listens on loopback.
    for (const card of ['all', 'default'])
      writeFileSync(`/proc/sys/net/ipv4/conf/${card}/route_localnet`, '1');
    // Addresses of Services lead nowhere by themselves; what the node itself sends there is from an address that pods can answer to.
    ip('address', 'add', `${GATEWAY}/32`, 'dev', 'lo');
    ip('route', 'add', '10.0.0.0/24', 'dev', 'lo', 'src', GATEWAY);
    this.route([]);
  }

  /** A namespace with an address of its own. */
  async addPod(): Promise<{ readonly namespace: NetworkNamespace; readonly address: string }> {
    const namespace = await NetworkNamespace.create();
    const number = ++this.#last;
    const address = `10.244.0.${number}`;
    const card = `pod${number}`;
    ip('link', 'add', card, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(namespace.pid));
    ip('address', 'add', `${GATEWAY}/32`, 'dev', card);
    ip('link', 'set', card, 'up');
    ip('route', 'add', `${address}/32`, 'dev', card);
    namespace.run(`ip address add ${address}/32 dev eth0`);
    namespace.run('ip link set eth0 up');
    namespace.run(`ip route add ${GATEWAY} dev eth0`);
    namespace.run(`ip route add default via ${GATEWAY} dev eth0`);
    return { namespace, address };
  }

  /** What Services lead to from now on. */
  route(services: readonly ServiceRoute[]): void {
    const api = { address: API_SERVICE, port: 443, targets: [{ address: '127.0.0.1', port: this.#apiPort }] };
    const rules = [api, ...services].flatMap(({ address, port, targets }) =>
      targets.map(
        (target, index) =>
          `ip daddr ${address} tcp dport ${port} numgen inc mod ${targets.length - index} == 0 dnat to ${target.address}:${target.port}`,
      ),
    );
    const chain = (hook: string): string =>
      `chain ${hook} { type nat hook ${hook} priority -100;\n${rules.join('\n')}\n}`;
    const table = `table ip services\ndelete table ip services\ntable ip services {\n${chain('prerouting')}\n${chain('output')}\n}\n`;
    execFileSync('nft', ['-f', '-'], { input: table, stdio: ['pipe', 'pipe', 'pipe'] });
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}
