import type { Clients } from './clients.ts';
import type { Fault } from './fault.ts';
import { POISON_DOMAIN, type Scene } from './scene.ts';

/** Makes one fault happen; resolves when it is over, with `false` = there was nothing to break: its target was not up. */
export async function inflict(
  scene: Scene,
  clients: readonly Clients[],
  fault: Fault,
  signal: AbortSignal,
): Promise<boolean> {
  const pod = 'pod' in fault ? scene.pods[fault.pod] : undefined;
  switch (fault.kind) {
    case 'kill':
    case 'terminate': {
      const was = (await pod?.end(fault.kind === 'kill' ? 'SIGKILL' : 'SIGTERM')) === true;
      if (!was) return false;
      await pause(fault.downMs);
      await pod?.start();
      return true;
    }
    case 'stop':
    case 'long-stop': {
      if (pod?.signal('SIGSTOP') !== true) return false;
      await pause(fault.forMs);
      pod.signal('SIGCONT');
      return true;
    }
    case 'partition': {
      const links = pod?.place.links;
      if (links === undefined) return false;
      links.set('nats', false);
      if (fault.alsoMail) links.set('mail', false);
      await pause(fault.forMs);
      links.set('nats', true);
      if (fault.alsoMail) links.set('mail', true);
      return true;
    }
    case 'kill-nats': {
      const node = scene.nodes[fault.node];
      await node?.kill('SIGKILL');
      await pause(fault.downMs);
      await node?.start();
      return true;
    }
    case 'kill-all-nats':
      await Promise.all(scene.nodes.map((node) => node.kill('SIGKILL')));
      await pause(fault.downMs);
      await Promise.all(scene.nodes.map((node) => node.start()));
      return true;
    case 'full': {
      const giveBack = await scene.fillSpool();
      await pause(fault.forMs);
      await giveBack();
      return true;
    }
    case 'poison':
      return (await clients[fault.pod]?.handIn(`poison.0@${POISON_DOMAIN}`, signal)) !== undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
