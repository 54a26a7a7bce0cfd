// The script of the sign-in pages.
export {};
