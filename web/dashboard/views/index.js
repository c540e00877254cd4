/**
 * The views of the dashboard, in the order of the menu. `needs` hides one from people who may not use it ("edit",
 * "admin", ...: see session.js); `isProjectless` is what may be looked at before there is a project; `isHidden` keeps it
 * out of the menu, `isPlain` leaves out the toolbar of range and filters, `without` parts of it; `forgets` is what the menu
 * and the choice of another project take out of the address. A view's module exports `show(container)`, whose result ends
 * it.
 */
export const VIEWS = [
  { id: "overview", title: "Overview", group: "Look", icon: "M4 13h6V4H4zM14 20h6V4h-6zM4 20h6v-4H4z", load: () => import("./overview.js") },
  { id: "explore", title: "Explore", group: "Look", icon: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7", load: () => import("./explore.js") },
  { id: "live", title: "Live", group: "Look", isPlain: true, icon: "M12 12h.01M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8", load: () => import("./live.js") },
  { id: "funnel", title: "Funnel", group: "Analysis", without: ["interval"], icon: "M4 5h16l-6 8v6l-4-2v-4z", load: () => import("./funnel.js") },
  { id: "retention", title: "Retention", group: "Analysis", without: ["compare", "interval"], icon: "M4 12a8 8 0 1 1 2.3 5.7M4 20v-5h5", load: () => import("./retention.js") },
  { id: "paths", title: "Paths", group: "Analysis", without: ["compare", "interval"], icon: "M4 6h4c6 0 4 12 12 12M4 18h4c2 0 3-1 4-3M13 9c1-2 3-3 7-3", load: () => import("./paths.js") },
  { id: "sessions", title: "Sessions", group: "Analysis", forgets: ["sessions.offset"], icon: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2", load: () => import("./sessions.js") },
  { id: "active-users", title: "Active people", group: "People", without: ["interval"], icon: "M3 12h4l3-7 4 14 3-7h4", load: () => import("./active_users.js") },
  { id: "users", title: "People", group: "People", forgets: ["users.id", "users.offset"], without: ["compare", "interval"], icon: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-4 2.5-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6M17.5 14.5c2.2.7 3.5 2.5 3.5 5.5", load: () => import("./users.js") },
  { id: "saved", title: "Saved reports", group: "Workspace", isPlain: true, icon: "M6 4h12v16l-6-4-6 4z", load: () => import("./saved.js") },
  { id: "notes", title: "Annotations", group: "Workspace", isPlain: true, icon: "M5 21V4M5 5h13l-3 4 3 4H5", load: () => import("./notes.js") },
  { id: "cohorts", title: "Cohorts", group: "Workspace", isPlain: true, icon: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM15 10a5 5 0 1 1 0 10 5 5 0 0 1 0-10z", load: () => import("./cohorts.js") },
  { id: "start", title: "Send events", group: "Manage", isPlain: true, icon: "M4 12h14M13 6l6 6-6 6", load: () => import("./start.js") },
  { id: "projects", title: "Projects", group: "Manage", isPlain: true, isProjectless: true, icon: "M4 6h6l2 2h8v11H4z", load: () => import("./projects.js") },
  { id: "keys", title: "API keys", group: "Manage", needs: "admin", isPlain: true, icon: "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11 12l8-8M16 7l3 3", load: () => import("./keys.js") },
  { id: "members", title: "Members", group: "Manage", needs: "member", isPlain: true, isProjectless: true, icon: "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3.5 19c0-3 2-5 5.5-5s5.5 2 5.5 5M18 8v6M15 11h6", load: () => import("./members.js") },
  { id: "accounts", title: "Users", group: "Manage", needs: "root", isPlain: true, isProjectless: true, icon: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 20c0-4 3-6 7-6s7 2 7 6", load: () => import("./accounts.js") },
  { id: "account", title: "Account", group: "Manage", needs: "user", isPlain: true, isProjectless: true, icon: "M12 4l7 3v5c0 4-3 7-7 8-4-1-7-4-7-8V7zM9 12l2 2 4-4", load: () => import("./account.js") },
];

export const REGISTER = { id: "register", title: "Welcome", isPlain: true, isHidden: true, isProjectless: true, load: () => import("./invitation.js") };
export const LOGIN = { id: "login", title: "Log in", isPlain: true, isHidden: true, load: () => import("./login.js") };
