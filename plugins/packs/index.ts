/** The built-in packs, one named export each; README.md beside this file has the table of what they are. */
export {}
