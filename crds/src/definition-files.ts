import { stringify } from 'yaml';
import { RESOURCE_KINDS } from './resource.ts';
import { resourceDefinition } from './resource-definition.ts';
import { API_GROUP } from './resource-metadata.ts';

export const DEFINITION_DIRECTORY = new URL('../generated/', import.meta.url);

const HEADER = '# Generated from the schemas by `node crds/src/write-crds.ts`. Do not edit.\n';

/** CustomResourceDefinitions: file name → text. Checked in; a test compares them with the schemas. */
export function definitionFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    RESOURCE_KINDS.map((kind) => {
      const definition = resourceDefinition(kind);
      const text = stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false });
      return [`${API_GROUP}_${definition.spec.names.plural}.yaml`, HEADER + text];
    }),
  );
}
