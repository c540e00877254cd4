/**
 * The views of the dashboard, in the order of the menu. `needs` hides one from people who may not use it ("edit",
 * "admin"); `isHidden` keeps it out of the menu, and `isPlain` without the toolbar of range and filters. A view's module
 * exports `show(container)`, whose result ends it.
 */
export const VIEWS = [
  { id: "overview", title: "Overview", group: "Look", icon: "M4 13h6V4H4zM14 20h6V4h-6zM4 20h6v-4H4z", load: () => import("./overview.js") },
  { id: "explore", title: "Explore", group: "Look", icon: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7", load: () => import("./explore.js") },
];

export const LOGIN = { id: "login", title: "Log in", isPlain: true, isHidden: true, load: () => import("./login.js") };
