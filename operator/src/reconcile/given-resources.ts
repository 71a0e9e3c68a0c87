import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ParsedResource, parseResources, resourceKey, SluiceError } from '@sluice/crds';

/**
 * Resources that come with an installation, from the YAML files of a directory (the `..data` of a mounted ConfigMap is left out). They are read once: with a mistake the operator
 * does not start, rather than run without them.
 *
 * @throws {SluiceError} `SLUICE_GIVEN_RESOURCES`
 *
 * Example: `const library = withGiven(providerLibrary(), givenResources('/etc/sluice/resources'))`
 */
export function givenResources(directory: string): readonly ParsedResource[] {
  return filesOf(directory).flatMap((file) => {
    const { resources, problems } = parseResources(read(file), file);
    const [problem] = problems;
    if (problem !== undefined)
      throw new SluiceError('SLUICE_GIVEN_RESOURCES', { reason: problem.what }, problem);
    return resources;
  });
}

/** The library with what was given: of the same kind and name the given one counts. */
export function withGiven(
  library: readonly ParsedResource[],
  given: readonly ParsedResource[],
): readonly ParsedResource[] {
  const keys = new Set(given.map(resourceKey));
  return [...library.filter((resource) => !keys.has(resourceKey(resource))), ...given];
}

function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^[^.].*\.ya?ml$/.test(name))
      .toSorted()
      .map((name) => join(directory, name));
  } catch (error) {
    throw unreadable(directory, error);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError('SLUICE_GIVEN_RESOURCES', { reason }, { file }, error);
}
