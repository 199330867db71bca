"""Write the appendix of all claims, docs/claims.md, from cnnlib/course/claims.csv: `python tools/claims_page.py`."""

from pathlib import Path

from cnnlib.course.claims import claims_page

PAGE = Path(__file__).parents[1] / "docs" / "claims.md"

if __name__ == "__main__":
    PAGE.write_text(claims_page(), encoding="utf-8")
