"""The HTML page: what it holds, that hostile names stay text, and that it works in a browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from synthetic_results import document, failed, seeded, settings, suite

from harness.report import write_page, write_report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "input", "br", "img", "link", "hr"}


class Outline(HTMLParser):
    """Collects elements, and fails on elements that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "report.html", suite())


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page.read_text())


def test_the_page_asks_the_network_for_nothing(page, outline):
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]", page.read_text(), re.IGNORECASE)
    assert outline.all("link") == outline.all("img") == outline.all("iframe") == []
    assert not any("src" in attributes for _, attributes in outline.elements)
    links = [attributes["href"] for _, attributes in outline.elements if "href" in attributes]
    assert links
    assert all(link.startswith("#") for link in links)


def test_every_link_leads_somewhere_on_the_page(outline):
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes in outline.all("a")} <= set(ids)


def test_the_overview_tells_what_ran_and_how_it_went(page):
    text = page.read_text()
    assert "<h1>quickstart</h1>" in text
    assert "1 of 19 runs failed." in text
    assert "RAM budget exceeded by 1,204 bytes" in text
    assert "agree in every bit over the 64 emulated steps" in text


def test_a_difference_between_twin_and_target_turns_the_verdict(tmp_path):
    agreement = document().agreement.model_copy(update={"weights_equal": False})
    text = write_page(tmp_path / "a.html", [document(agreement=agreement), document("float32")]).read_text()
    assert "Twin and target differ in 1 of them." in text
    assert 'class="verdict bad"' in text
    assert 'class="verdict"' in write_page(tmp_path / "b.html", [document(), document("float32")]).read_text()


def test_estimates_and_exact_numbers_look_different(page):
    text = page.read_text()
    one = suite()[0]
    hint = "cortex-m4f-table, error +-15 % for code in zero-wait-state memory"
    value = one.estimates.time_ms_per_step.value
    assert f'<td class="num est" data-value="{value}" title="{hint}">≈ 15.5 (14.8-16.5)</td>' in text
    assert f'<td class="num" data-value="{one.counts.instructions_per_step}">706,804</td>' in text


def test_every_run_can_be_opened_for_its_details(outline, page):
    assert len(outline.all("details")) == 19
    text = page.read_text()
    for words in (
        "-ffp-contract=off",
        "0123456789abcdef0123456789abcdef01234567",
        "Layers, the dearest first",
        "12.2.1",
    ):
        assert words in text


def test_the_whole_table_is_sortable_by_keyboard(outline):
    headers = [attributes for attributes in outline.all("th") if "aria-sort" in attributes]
    assert len(headers) == 13
    assert len([attributes for attributes in outline.all("button") if attributes["type"] == "button"]) == 13


def test_means_over_seeds_have_a_table_and_each_run_still_has_its_row(tmp_path):
    text = write_page(tmp_path / "report.html", [*seeded(), *seeded(dtype="float32")]).read_text()
    outline = Outline(text)
    words = " ".join(" ".join(outline.text).split())
    assert "Over seeds" in words
    assert "95.00 ± 2.00 % 1.15 % 93.0 % 97.0 %" in words
    assert "Best accuracy exact 95.00 ± 2.00 %" in words
    assert len([row for row in outline.all("details") if row.get("id", "").startswith("run-")]) == 6


def test_a_page_without_seeds_has_no_table_of_them(page):
    assert "Over seeds" not in page.read_text()


def test_hostile_names_stay_text(tmp_path):
    run = document().run.model_copy(update={"id": HOSTILE, "scenario": HOSTILE, "label": HOSTILE, "file": HOSTILE})
    changed = settings() | {"platform": HOSTILE, HOSTILE: HOSTILE}
    layers = tuple(part.model_copy(update={"layer_name": HOSTILE}) for part in document().counts.by_layer)
    counts = document().counts.model_copy(update={"by_layer": layers})
    documents = [
        document(run=run, settings=changed, counts=counts),
        document(),
        failed(run=run, settings=changed, reason=HOSTILE),
    ]
    page = write_report(tmp_path, documents)
    outline = Outline(page.read_text())
    assert len(outline.all("script")) == 1
    assert outline.all("img") == []
    assert not any(name.startswith("on") for _, attributes in outline.elements for name in attributes)
    assert any("onerror=alert(1)" in text for text in outline.text)


def test_the_policy_lets_only_the_pages_own_script_run(outline):
    (policy,) = [one["content"] for one in outline.all("meta") if "http-equiv" in one]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)


def test_a_suite_in_which_everything_failed_has_a_page(tmp_path):
    page = write_report(tmp_path, [failed()])
    assert "1 of 1 run failed." in page.read_text()


def test_a_suite_without_runs_has_a_page(tmp_path):
    assert "No runs." in write_page(tmp_path / "empty.html", []).read_text()


def test_the_report_folder_holds_page_and_plots(tmp_path):
    page = write_report(tmp_path, suite()[:2])
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert page.name in names
    assert "plots/accuracy-time-per-step.svg" in names
    assert "plots/cycles-by-layer.png" in names


PROBE = """
<script>
const cells = (column) => Array.from(document.querySelectorAll("table.runs tbody tr"))
  .filter((row) => !row.hidden).map((row) => row.cells[column].textContent.trim());
const header = document.querySelectorAll("table.runs thead th")[5];
const seen = {width: document.documentElement.scrollWidth, window: innerWidth};
header.querySelector("button").click();
seen.up = cells(5); seen.sort = header.getAttribute("aria-sort");
header.querySelector("button").click();
seen.down = cells(5);
const select = document.querySelectorAll("form.controls select")[0];
select.selectedIndex = 1; select.dispatchEvent(new Event("input", {bubbles: true}));
seen.filtered = cells(0); seen.said = document.querySelector("output").textContent;
const first = document.querySelector("details"); location.hash = first.id;
addEventListener("hashchange", () => {
  seen.opened = first.open;
  const box = document.createElement("pre"); box.id = "probe"; box.textContent = JSON.stringify(seen);
  document.body.append(box);
});
</script>
"""


needs_browser = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs chromium (apt-get install --no-install-recommends chromium)"
)


def browse(file, profile):
    """Return what the page became after its script ran; fails on any message of the console."""
    done = subprocess.run(
        [
            "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
            *("--window-size=500,900", f"--user-data-dir={profile}", "--virtual-time-budget=2000"),
            *("--enable-logging=stderr", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    return done.stdout


@needs_browser
def test_in_a_browser_the_pages_script_runs_under_its_policy(page, tmp_path):
    assert re.search(r'<html[^>]* class="js"', browse(page, tmp_path / "profile"))


@needs_browser
def test_in_a_browser_the_table_sorts_and_filters_and_nothing_overflows(page, tmp_path):
    text = page.read_text()
    # The probe is a script of its own, which the page's policy would rightly refuse.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("</body>", f"{PROBE}</body>")
    inner = tmp_path / "probe.html"
    inner.write_text(text)
    found = re.search(r'<pre id="probe">(.*?)</pre>', browse(inner, tmp_path / "profile"))
    assert found
    seen = json.loads(html.unescape(found[1]))
    up = [int(count.replace(",", "")) for count in seen["up"] if count]
    assert len(up) == 18
    assert up == sorted(up)
    assert seen["up"][-1] == seen["down"][-1] == ""
    assert [int(count.replace(",", "")) for count in seen["down"][:-1]] == up[::-1]
    assert seen["sort"] == "ascending"
    assert seen["filtered"] == ["uint8"] * 9
    assert seen["said"] == "9 of 19 runs"
    assert seen["opened"] is True
    assert seen["width"] <= seen["window"]
