// Where the server is, and an account there.

export const of = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

export const SERVER = of("SERVER");
export const ACCOUNT = of("ACCOUNT");
export const PASSWORD = of("PASSWORD");
