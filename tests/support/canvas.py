"""What is drawn on the canvas of a page that shows an image."""

COUNT_TINTED = """() => {
  const canvas = document.getElementById("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let tinted = 0;
  for (let i = 0; i < data.length; i += 4) tinted += data[i] !== data[i + 2];
  return tinted;
}"""
"""Script that counts the pixels of the canvas that are not grey."""
