// Runs before the first paint, so that a chosen theme never flashes as the other one.
{
  const asked = new URLSearchParams(location.search).get("theme");
  let kept = null;
  try {
    kept = localStorage.getItem("apptracker.theme");
  } catch {
    kept = null;
  }
  const theme = asked || kept;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
