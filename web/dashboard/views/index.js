/**
 * The views of the dashboard, in the order of the menu. `needs` hides one from people who may not use it ("edit",
 * "admin"); `isHidden` keeps it out of the menu, and `isPlain` without the toolbar of range and filters. A view's module
 * exports `show(container)`, whose result ends it.
 */
export const VIEWS = [
  { id: "overview", title: "Overview", group: "Look", icon: "M4 13h6V4H4zM14 20h6V4h-6zM4 20h6v-4H4z", load: () => import("./overview.js") },
  { id: "explore", title: "Explore", group: "Look", icon: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7", load: () => import("./explore.js") },
  { id: "funnel", title: "Funnel", group: "Analysis", icon: "M4 5h16l-6 8v6l-4-2v-4z", load: () => import("./funnel.js") },
  { id: "retention", title: "Retention", group: "Analysis", icon: "M4 12a8 8 0 1 1 2.3 5.7M4 20v-5h5", load: () => import("./retention.js") },
  { id: "paths", title: "Paths", group: "Analysis", icon: "M4 6h4c6 0 4 12 12 12M4 18h4c2 0 3-1 4-3M13 9c1-2 3-3 7-3", load: () => import("./paths.js") },
  { id: "sessions", title: "Sessions", group: "Analysis", icon: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2", load: () => import("./sessions.js") },
  { id: "active-users", title: "Active people", group: "People", icon: "M3 12h4l3-7 4 14 3-7h4", load: () => import("./active_users.js") },
  { id: "users", title: "People", group: "People", icon: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-4 2.5-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6M17.5 14.5c2.2.7 3.5 2.5 3.5 5.5", load: () => import("./users.js") },
];

export const LOGIN = { id: "login", title: "Log in", isPlain: true, isHidden: true, load: () => import("./login.js") };
