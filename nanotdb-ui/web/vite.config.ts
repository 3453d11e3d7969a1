import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/**
 * Has Chromium compile the first script while it loads, on another thread, instead of each function at its first call. Other
 * browsers take it for a comment.
 */
const COMPILE_AHEAD = "//# allFunctionsCalledOnLoad\n";

/** Writes `.br` and `.gz` beside every text file of dist, so that the server never compresses an asset. */
function precompress(): Plugin {
  let out = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved: (config) => {
      out = config.build.outDir;
    },
    closeBundle: () => {
      for (const name of readdirSync(out, { recursive: true, encoding: "utf8" })) {
        const path = join(out, name);
        if (!statSync(path).isFile() || !/\.(html|js|css|svg|json)$/.test(name)) continue;
        let bytes = readFileSync(path);
        if (/^assets\/index-.*\.js$/.test(name)) {
          bytes = Buffer.concat([Buffer.from(COMPILE_AHEAD), bytes]);
          writeFileSync(path, bytes);
        }
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/",
  plugins: [precompress()],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: false,
    // What the first page needs is one file: shared modules stay in the entry.
    rolldownOptions: {
      preserveEntrySignatures: "allow-extension",
      output: { codeSplitting: { groups: [{ name: "index", test: /node_modules|src\/main\.tsx$/, includeDependenciesRecursively: true }] } },
    },
  },
  server: {
    // `npm run dev` against a running server: NANOTDB=http://localhost:8428 npm run dev
    proxy: { "/api": process.env.NANOTDB ?? "http://localhost:8428" },
  },
});
