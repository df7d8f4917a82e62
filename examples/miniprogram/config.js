// Where the notifier is, as seen through the web server.
export const SERVER = "shop.example";
export const TERMINAL = "mini-1"; // its name: 1 to 64 of A-Z a-z 0-9 . _ -
export const LANGUAGE = "zh"; // of the recorded speech: zh or en
