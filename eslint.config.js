import tseslint from 'typescript-eslint';

/** RxJS queues without bound in these; frames go through `graph/operators/bounded.ts` instead. */
const UNBOUNDED_OPERATORS = ['concatMap', 'mergeMap', 'mergeAll', 'concatAll', 'buffer', 'bufferTime', 'bufferCount', 'observeOn', 'exhaustMap'];

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', 'examples/', '**/*.cjs', '**/*.js', '**/*.mjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Indices of typed arrays are asserted with `!`: the compiler cannot know their length, a check per element would cost the hot path.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
      'no-restricted-imports': ['error', { paths: [{ name: 'rxjs', importNames: UNBOUNDED_OPERATORS, message: 'Queues without bound: use graph/operators/bounded.ts.' }] }],
    },
  },
  { files: ['test/**'], rules: { '@typescript-eslint/no-non-null-assertion': 'off', '@typescript-eslint/require-await': 'off', '@typescript-eslint/unbound-method': 'off', 'no-console': 'off' } },
);
