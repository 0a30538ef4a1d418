// What @hey-api/openapi-ts makes. Node wants imports with the ending of the file.
export default {
  input: "openapi.json",
  output: { path: "typescript/hey-api/generated", module: { extension: ".js" } },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
  logs: { file: false },
};
