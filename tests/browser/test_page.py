"""The page in a real browser: it sorts, filters, slides, answers to the keyboard and complains about nothing."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

DESKTOP, PHONE = (1280, 900), (390, 844)
_SECONDS = 5.0

Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Open]:
    """Opens the page at a size and waits until its script is done; afterwards its console must be empty."""

    def show(size: tuple[int, int] = DESKTOP, dark: bool = False) -> Any:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        wishes = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(page.as_uri())
        waited(browser, "return document.documentElement.dataset.ready === 'yes' && !!document.querySelector('svg')")
        return browser

    browser.get_log("browser")
    yield show
    assert [line["message"] for line in browser.get_log("browser")] == []


def waited(browser: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, _SECONDS, poll_frequency=0.02).until(lambda driver: driver.execute_script(condition))


def all_of(browser: Any, selector: str) -> list[Any]:
    return list(browser.find_elements("css selector", selector))


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def column(browser: Any, table: str, number: int) -> list[str]:
    cells = "[...document.querySelector(arguments[0]).tBodies[0].rows].filter((row) => !row.hidden)"
    return list(
        browser.execute_script(f"return {cells}.map((row) => row.cells[arguments[1]].innerText)", table, number)
    )


def press(browser: Any, element: Any, key: str) -> None:
    from selenium.webdriver.common.keys import Keys

    element.send_keys(getattr(Keys, key))


def test_it_opens_in_less_than_a_second_and_asks_no_network(opened: Open) -> None:
    browser = opened()
    took = browser.execute_script(
        "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime"
    )
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map((item) => item.name)")
    assert took < 1000
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_a_heading_sorts_up_and_down_by_number_and_says_so(opened: Open) -> None:
    browser = opened()
    button = all_of(browser, "#table2 thead button")[2]
    button.click()
    heading = all_of(browser, "#table2 thead th")[2]
    assert heading.get_attribute("aria-sort") == "ascending"
    names = [name.partition("\n")[0] for name in column(browser, "#table2 table", 0)]
    known = [name for name in names if name in ("SegNode, ours", "PSPNet", "SegNode", "HRNetV2", "U-Net")]
    assert known == ["SegNode, ours", "PSPNet", "SegNode", "HRNetV2", "U-Net"]
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(browser, "#table2 table", 0)[0].startswith("U-Net")


def test_the_keyboard_sorts_too(opened: Open) -> None:
    browser = opened()
    button = all_of(browser, "#measurements thead button")[0]
    press(browser, button, "ENTER")
    names = column(browser, "#all-rows", 0)
    assert names == sorted(names)


def test_words_and_choices_filter_the_rows_together(opened: Open) -> None:
    from selenium.webdriver.support.ui import Select

    browser = opened()
    everything = len(column(browser, "#all-rows", 0))
    one(browser, "#words").send_keys("segnode-paper train")
    assert set(column(browser, "#all-rows", 0)) == {"segnode-paper"}
    Select(one(browser, "select[data-of=quantity]")).select_by_visible_text("train_peak_live_bytes")
    assert column(browser, "#all-rows", 1) == ["train_peak_live_bytes"]
    assert one(browser, "#measurements output").text == f"1 of {everything} rows"


def test_a_verdicts_button_dims_the_cells_that_have_another(opened: Open) -> None:
    browser = opened()
    button = one(browser, "#table2 button[data-verdict=missing]")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    dimmed = {cell.get_attribute("data-verdict") for cell in all_of(browser, "#table2 td.dim")}
    assert dimmed
    assert "missing" not in dimmed
    button.click()
    assert all_of(browser, "#table2 td.dim") == []


def test_a_cell_tells_its_reason_to_the_pointer_and_to_the_keyboard(opened: Open) -> None:
    from selenium.webdriver import ActionChains

    browser = opened()
    cell = one(browser, "#table2 td[data-verdict=contradicted]")
    ActionChains(browser).scroll_to_element(cell).move_to_element(cell).perform()
    waited(browser, "return !document.getElementById('tip').hidden")
    assert "contradicted:" in one(browser, "#tip").text
    press(browser, one(browser, "body"), "ESCAPE")
    assert not one(browser, "#tip").is_displayed()
    browser.execute_script("arguments[0].focus()", cell)
    assert "contradicted:" in one(browser, "#tip").text


def test_the_pareto_plot_follows_its_axes(opened: Open) -> None:
    from selenium.webdriver.support.ui import Select

    browser = opened()
    before = one(browser, "#pareto .said").text
    assert before.startswith("Pareto-optimal: ")
    Select(one(browser, "#pareto select[name=y]")).select_by_value("parameters")
    drawn = one(browser, "#pareto svg").get_attribute("aria-label")
    assert drawn.startswith("parameters")
    assert len(all_of(browser, "#pareto .spot")) == 5
    one(browser, "#pareto input[name=log]").click()
    assert all_of(browser, "#pareto svg")


def test_the_timeline_is_read_with_the_arrow_keys(opened: Open) -> None:
    browser = opened()
    chart, said = one(browser, "#timeline svg"), one(browser, "#timeline .said")
    assert "(the peak)" in said.text
    press(browser, chart, "ARROW_RIGHT")
    assert "(the peak)" not in said.text
    press(browser, chart, "HOME")
    assert chart.get_attribute("aria-valuenow") == "0"
    assert ", forward: " in said.text


def test_the_slider_over_time_refines_the_picture(opened: Open) -> None:
    browser = opened()
    slider, facts = one(browser, "#trajectory input[name=time]"), one(browser, "#trajectory dl")
    assert slider.get_attribute("value") == "4"
    assert "59 %" in facts.text
    last = one(browser, "#trajectory .labels").get_attribute("src")
    press(browser, slider, "ARROW_LEFT")
    assert slider.get_attribute("aria-valuetext") == "t = 0.75"
    assert "58 %" in facts.text
    earlier = one(browser, "#trajectory .labels").get_attribute("src")
    assert earlier.startswith("data:image/png")
    assert earlier != last
    press(browser, slider, "HOME")
    assert "20 %" in facts.text


def test_another_image_and_the_overlay_can_be_chosen(opened: Open) -> None:
    browser = opened()
    photo = one(browser, "#trajectory .photo").get_attribute("src")
    all_of(browser, "#trajectory .strip button")[1].click()
    assert one(browser, "#trajectory .photo").get_attribute("src") != photo
    veil = one(browser, "#trajectory input[name=veil]")
    press(browser, veil, "HOME")
    assert browser.execute_script("return document.querySelector('#trajectory .labels').style.opacity") == "0"


def test_play_runs_to_the_end_and_stops(opened: Open) -> None:
    browser = opened()
    button = one(browser, "#trajectory .play")
    button.click()
    assert button.text == "Pause"
    waited(browser, "return document.querySelector('#trajectory .play').textContent === 'Play'")
    assert one(browser, "#trajectory input[name=time]").get_attribute("value") == "4"


def painted(browser: Any) -> list[str]:
    """The colours that are laid over the photo, as the legend writes them."""
    return list(
        browser.execute_script(
            "const image = document.querySelector('#depth .labels'), canvas = document.createElement('canvas');"
            "canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;"
            "const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
            "const data = context.getImageData(0, 0, canvas.width, canvas.height).data, found = [];"
            "for (let at = 0; at < data.length; at += 4) found.push(`rgb(${data.slice(at, at + 3).join(', ')})`);"
            "return found"
        )
    )


def key_of(browser: Any) -> dict[str, str]:
    script = "return [...document.querySelectorAll('#depth .stages li')].map((item) =>"
    script += " [item.innerText.trim(), getComputedStyle(item.firstChild).backgroundColor])"
    return dict(browser.execute_script(script))


def loaded(browser: Any) -> None:
    waited(browser, "return [...document.querySelectorAll('#depth img')].every((image) => image.complete)")


def test_policy_by_policy_more_of_an_image_is_painted_as_computed(opened: Open) -> None:
    browser = opened()
    slider, facts = one(browser, "#depth input[name=policy]"), one(browser, "#depth dl")
    press(browser, slider, "HOME")
    reached = []
    for policy in ("entropy<0.1", "entropy<0.5", "entropy<0.9"):
        loaded(browser)
        assert slider.get_attribute("aria-valuetext") == policy and policy in facts.text
        last = key_of(browser)["stage 2"]
        reached.append(painted(browser).count(last) / len(painted(browser)))
        press(browser, slider, "ARROW_RIGHT")
    assert reached == [pytest.approx(columns * 3 / 24) for columns in (1, 4, 1)], "a grid of 6x4 parts, as drawn"
    assert set(painted(browser)) == set(key_of(browser).values())


def test_another_image_network_or_layer_changes_what_is_painted(opened: Open) -> None:
    from selenium.webdriver.support.ui import Select

    browser = opened()
    shown = [one(browser, "#depth .labels").get_attribute("src")]
    all_of(browser, "#depth .strip button")[1].click()
    assert all_of(browser, "#depth .strip button")[1].get_attribute("aria-pressed") == "true"
    shown.append(one(browser, "#depth .labels").get_attribute("src"))
    Select(one(browser, "#depth select[name=layer]")).select_by_visible_text("segmentation")
    shown.append(one(browser, "#depth .labels").get_attribute("src"))
    Select(one(browser, "#depth select[name=layer]")).select_by_visible_text("computation")
    Select(one(browser, "#depth select[name=network]")).select_by_index(1)
    loaded(browser)
    shown.append(one(browser, "#depth .labels").get_attribute("src"))
    assert [shown.index(source) for source in shown] == [0, 1, 2, 3]
    assert list(key_of(browser)) == ["no path, or no cell", "1 path", "2 paths"]
    assert set(painted(browser)) <= set(key_of(browser).values())
    assert "signal<0.5" in one(browser, "#depth dl").text


@pytest.mark.parametrize(
    ("name", "size", "dark"), [("desktop", DESKTOP, False), ("phone", PHONE, False), ("dark", DESKTOP, True)]
)
def test_nothing_is_wider_than_the_screen(
    opened: Open, name: str, size: tuple[int, int], dark: bool, tmp_path: Path
) -> None:
    """Its screenshots are for people: SEGBENCH_SCREENSHOTS names a folder to keep them in."""
    browser = opened(size, dark)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    folder = Path(os.environ.get("SEGBENCH_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    height = browser.execute_script("return document.documentElement.scrollHeight")
    metrics = {"width": size[0], "height": height, "deviceScaleFactor": 1, "mobile": size[0] < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (folder / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    assert (folder / f"{name}.png").stat().st_size > 50_000


def test_in_dark_mode_the_page_is_dark(opened: Open) -> None:
    def brightness(dark: bool) -> int:
        colour = opened(dark=dark).execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgb()").split(","))

    assert brightness(dark=True) < 150 < 600 < brightness(dark=False)


def test_every_control_has_a_name_and_can_be_reached(opened: Open) -> None:
    browser = opened()
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('button, select, input, [role=slider], [tabindex]')].filter((node) =>"
        " !(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.length))"
        ".map((node) => node.outerHTML.slice(0, 80))"
    )
    assert unnamed == []
