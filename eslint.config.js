// The linter of the workspace: typescript-eslint's strict rules with types. The rules below are changed for the reasons beside them.
import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { files: ['web/lint/*.js'], extends: [eslint.configs.recommended], languageOptions: { globals: { console: 'readonly', process: 'readonly' } } },
  {
    files: ['{widget,verify,web}/**/*.ts', 'client/typescript/src/**/*.ts', 'internal/console/src/*.ts'],
    ignores: ['**/gen/**', 'widget/types/**', 'widget/dist/**', '**/.test/**'],
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // The compiler counts every index as possibly missing; "!" says where it is not.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // The types describe a newest browser and a correct server: the code meets others.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Texts of strangers are searched for control characters, and are counted by characters.
      'no-control-regex': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      // A short function may return the nothing of another.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true, allowNullish: true }],
      // The reason of a signal is whatever the caller gave.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowEmpty: true }],
      'no-irregular-whitespace': ['error', { skipTemplates: true }],
    },
  },
  { ignores: ['examples/**/{.next,.svelte-kit,.astro,dist,build}/**'] },
  {
    // Without types: the packages of an example are not installed here. Its own check has them.
    files: ['examples/**/*.{ts,tsx}'],
    extends: [eslint.configs.recommended, tseslint.configs.strict],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['{widget,verify}/test/**/*.ts'],
    rules: {
      // node:test waits for its tests itself.
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test'] }] }],
      // Doubles have the shape of the real thing, and reach into it.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
);
