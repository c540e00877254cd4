/** The page: who looks, the header, the menu, and the view that the address names. */

import { buildToolbar } from "./controls.js";
import { announce, h, icon, remove, replace } from "./dom.js";
import { leadToFirstSteps } from "./first_steps.js";
import { buildLiveStrip } from "./live_strip.js";
import { buildError } from "./panel.js";
import { listenForSaves } from "./save_report.js";
import { session } from "./session.js";
import { comeBack } from "./sign_in.js";
import { state } from "./state.js";
import { LOGIN, REGISTER, VIEWS } from "./views/index.js";

const [topbar, sidebar, main] = ["topbar", "sidebar", "main"].map((id) => document.getElementById(id));
const MENU = "M4 7h16M4 12h16M4 17h16";
const THEME =
  "M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z";
let cleanUp = () => {};
let shown = 0;

comeBack();

async function begin() {
  document.documentElement.dataset.ready = "false";
  try {
    await session.start();
  } catch (error) {
    replace(main, buildError(error, begin));
    return;
  }
  drawPage();
}

function drawPage() {
  drawTopbar();
  drawSidebar();
  showView({ isFirst: true });
  leadToFirstSteps();
}

function drawTopbar() {
  replace(
    topbar,
    h(
      "button",
      {
        type: "button",
        class: "button quiet menu-button",
        "aria-label": "Menu",
        "aria-expanded": "false",
        "aria-controls": "sidebar",
        onClick: toggleMenu,
        hidden: session.mode === null,
      },
      icon(MENU),
    ),
    h(
      "a",
      { class: "brand", href: "/dashboard" },
      h("img", { src: "/web/dashboard/icon.svg", alt: "", width: "24", height: "24" }),
      "AppTracker",
    ),
    session.projects.length ? buildProjectChoice() : null,
    h(
      "div",
      { class: "topbar-space", id: "live-strip" },
      session.mode !== null && session.project?.isActive ? buildLiveStrip() : null,
    ),
    h(
      "button",
      {
        type: "button",
        class: "button quiet",
        "aria-label": "Dark or light",
        title: "Dark or light",
        onClick: toggleTheme,
      },
      icon(THEME),
    ),
    session.mode === null ? null : buildAccount(),
  );
}

function buildProjectChoice() {
  const options = session.projects.map(({ projectKey, name, isActive }) =>
    h(
      "option",
      { value: projectKey, selected: projectKey === session.project?.projectKey },
      isActive ? name : `${name} (inactive)`,
    ),
  );
  const select = h(
    "select",
    {
      class: "input project-choice",
      "aria-label": "Project",
      onChange: () => state.set({ project: select.value, filters: null, ...forget(VIEWS) }),
    },
    options,
  );
  return select;
}

function buildAccount() {
  if (session.mode === "open")
    return h(
      "a",
      { class: "button quiet", href: state.buildAddress({ view: "login" }), onClick: follow("login") },
      "Log in",
    );
  const name = session.user?.username ?? (session.mode === "key" ? "API key" : "SECRET_TOKEN");
  return h(
    "div",
    { class: "account" },
    h("span", { class: "account-name", id: "account-name" }, name),
    h("button", { type: "button", class: "button quiet", onClick: () => session.logOut() }, "Log out"),
  );
}

function listViews() {
  return VIEWS.filter(
    ({ needs, isHidden, isProjectless }) =>
      !isHidden && (!needs || session.can(needs)) && (session.project || isProjectless),
  );
}

function drawSidebar() {
  sidebar.hidden = session.mode === null;
  const groups = Map.groupBy(listViews(), ({ group }) => group);
  replace(
    sidebar,
    [...groups].map(([group, views]) =>
      h("div", { class: "menu-group" }, h("h2", null, group), h("ul", null, views.map(buildMenuItem))),
    ),
  );
}

function buildMenuItem(view) {
  const { id, title, icon: drawing } = view;
  const current = findView().id === id ? "page" : null;
  const changes = { view: id, ...forget([view]) };
  return h(
    "li",
    null,
    h(
      "a",
      { href: state.buildAddress(changes), "aria-current": current, onClick: follow(id, changes) },
      drawing ? icon(drawing) : null,
      title,
    ),
  );
}

function forget(views) {
  return Object.fromEntries(views.flatMap(({ forgets = [] }) => forgets).map((key) => [key, null]));
}

function follow(view, changes = { view }) {
  return (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    closeMenu();
    state.set(changes);
  };
}

function findView() {
  if (state.get("invitation") || state.get("view") === REGISTER.id) return REGISTER;
  if (session.mode === null || state.get("view") === LOGIN.id) return LOGIN;
  const named = VIEWS.find(({ id }) => id === (state.get("view") ?? VIEWS[0].id));
  const isOpen = named && (!named.needs || session.can(named.needs)) && (session.project || named.isProjectless);
  if (isOpen) return named;
  return session.project ? VIEWS[0] : VIEWS.find(({ id }) => id === "projects");
}

async function showView({ isFirst = false } = {}) {
  const turn = (shown += 1);
  document.documentElement.dataset.ready = "false";
  const view = findView();
  cleanUp();
  cleanUp = () => {};
  document.title = `${view.title} – AppTracker`;
  const container = h("div", { class: "view", dataset: { view: view.id } });
  const heading = h("h1", { tabindex: "-1" }, view.title);
  for (const old of [...main.children]) remove(old);
  main.append(h("div", { class: "view-head" }, heading, view.isPlain ? null : buildToolbar(view.without)), container);
  if (!isFirst) heading.focus({ preventScroll: true });
  scrollTo(0, 0);
  try {
    const module = await view.load();
    if (turn !== shown) return;
    const ended = await module.show(container);
    if (turn === shown) cleanUp = ended ?? (() => {});
    else ended?.();
  } catch (error) {
    console.error(error);
    if (turn === shown)
      replace(
        container,
        buildError(error, () => showView()),
      );
  }
  if (turn !== shown) return;
  document.documentElement.dataset.ready = "true";
  if (!isFirst) announce(`${view.title} is shown`);
}

function toggleMenu(event) {
  const isOpen = sidebar.classList.toggle("is-open");
  event.currentTarget.setAttribute("aria-expanded", String(isOpen));
}

function closeMenu() {
  sidebar.classList.remove("is-open");
  topbar.querySelector(".menu-button")?.setAttribute("aria-expanded", "false");
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("apptracker.theme", theme);
  document.documentElement.dataset.theme = theme;
  state.set({ theme: null }, { replace: true });
}

state.subscribe(["project", "view", "invitation"], (changed) => {
  session.chooseProject();
  if (changed.includes("project")) {
    drawTopbar();
    leadToFirstSteps();
  }
  drawSidebar();
  showView();
});
state.subscribe("*", () => drawSidebar());
session.onChange(drawPage);
session.onProjects(() => {
  drawTopbar();
  drawSidebar();
});
listenForSaves();
addEventListener("keydown", (event) => event.key === "Escape" && closeMenu());
begin();
