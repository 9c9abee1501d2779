"use strict";
// Frames with the skeleton on them, and the 3D motion; opening the page with #check writes a self-test to <body data-check>.
(() => {
  const errors = [];
  window.addEventListener("error", (event) => errors.push(String(event.message)));
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const find = (id) => document.getElementById(id);
  const colour = (k, alpha) => `rgba(${data.colours[k].join(",")},${alpha})`;

  let show = () => {};  // puts the pose of a picture into the 3D view, where there is one

  function frames() {
    const canvas = find("video");
    if (!canvas) return;
    const pen = canvas.getContext("2d"), slider = find("video-time"), play = find("video-play");
    const images = data.pictures.map((p) => { const image = new Image(); image.src = p.image; return image; });
    let timer = null;
    slider.max = images.length - 1;
    function draw() {
      const now = Number(slider.value), image = images[now], picture = data.pictures[now];
      if (!image.complete) { image.onload = draw; return; }
      const zoom = 840 / image.width;
      canvas.width = 840;
      canvas.height = Math.round(image.height * zoom);
      pen.imageSmoothingEnabled = true;
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      find("video-caption").textContent = picture.caption;
      if (!find("video-skeleton").checked) return;
      const place = picture.points.map((p) => (p[0] === null || p[1] === null ? null : [p[0] * zoom, p[1] * zoom]));
      pen.lineCap = "round";
      pen.lineWidth = 7;
      for (const [a, b] of data.edges) {
        if (!place[a] || !place[b]) continue;
        pen.strokeStyle = colour(b, 0.25 + 0.75 * Math.min(picture.score[a], picture.score[b]));
        pen.beginPath(); pen.moveTo(...place[a]); pen.lineTo(...place[b]); pen.stroke();
      }
      pen.lineWidth = 2;
      pen.strokeStyle = "rgba(255,255,255,0.9)";
      place.forEach((p, k) => {
        if (!p) return;
        pen.fillStyle = colour(k, 0.25 + 0.75 * picture.score[k]);
        pen.beginPath(); pen.arc(p[0], p[1], 8, 0, 2 * Math.PI); pen.fill(); pen.stroke();
      });
      if (!find("video-names").checked) return;
      pen.font = "600 20px system-ui, sans-serif";
      pen.lineWidth = 4;
      pen.strokeStyle = "rgba(0,0,0,0.75)";
      pen.fillStyle = "#fff";
      place.forEach((p, k) => {
        if (!p) return;
        pen.strokeText(data.labels[k], p[0] + 11, p[1] - 9);
        pen.fillText(data.labels[k], p[0] + 11, p[1] - 9);
      });
    }
    function go(now) { slider.value = now; draw(); show(data.pictures[now]); }
    function step() { go((Number(slider.value) + 1) % images.length); }
    play.onclick = () => {
      if (timer) { clearInterval(timer); timer = null; } else { timer = setInterval(step, 350); }
      play.textContent = timer ? "Pause" : "Play";
    };
    slider.oninput = () => go(Number(slider.value));
    find("video-skeleton").onchange = draw;
    find("video-names").onchange = draw;
    draw();
  }

  function poses() {
    const canvas = find("pose");
    if (!canvas) return;
    const motion = data.motion, pen = canvas.getContext("2d"), slider = find("pose-time"), play = find("pose-play");
    let yaw = 0.5, tilt = 0.25, zoom = 1, playing = true, held = null, last = null, clock = 0, shown = null;
    const touches = new Map();
    slider.max = motion.poses.length - 1;
    if (data.pictures.length) {  // as high as the frames beside it
      const image = new Image();
      image.onload = () => { canvas.height = Math.round(840 * Math.min(1, Math.max(0.7, image.height / image.width))); draw(); };
      image.src = data.pictures[0].image;
    }
    const turned = ([x, y, z]) => {
      const c = Math.cos(yaw), s = Math.sin(yaw), ct = Math.cos(tilt), st = Math.sin(tilt);
      const u = c * x + s * z, w = -s * x + c * z;
      return [u, ct * y - st * w, st * y + ct * w];
    };
    function draw() {
      const { width, height } = canvas, scale = 0.46 * Math.min(width, height) * zoom / motion.radius;
      const screen = (p) => { const q = turned(p); return [width / 2 + q[0] * scale, height / 2 + q[1] * scale, q[2]]; };
      pen.fillStyle = "#fafaf8";
      pen.fillRect(0, 0, width, height);
      pen.strokeStyle = "#dedfda";
      pen.lineWidth = 1.5;
      const reach = motion.radius * 0.8;
      for (let i = -2; i <= 2; i++) {
        for (const line of [[[i / 2, -1], [i / 2, 1]], [[-1, i / 2], [1, i / 2]]]) {
          const [p, q] = line.map(([x, z]) => screen([x * reach, motion.ground, z * reach]));
          pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
        }
      }
      const now = Number(slider.value), place = (shown ? shown.pose : motion.poses[now]).map(screen);
      const near = (z) => 0.45 + 0.55 * Math.min(1, Math.max(0, 0.5 - 0.5 * z / motion.radius));
      const order = [...data.edges].sort((e, f) => place[f[0]][2] + place[f[1]][2] - place[e[0]][2] - place[e[1]][2]);
      pen.lineCap = "round";
      for (const [a, b] of order) {
        const depth = (place[a][2] + place[b][2]) / 2;
        pen.lineWidth = 6 + 7 * near(depth);
        pen.strokeStyle = colour(b, near(depth));
        pen.beginPath(); pen.moveTo(place[a][0], place[a][1]); pen.lineTo(place[b][0], place[b][1]); pen.stroke();
      }
      place.forEach((p, k) => {
        pen.fillStyle = colour(k, near(p[2]));
        pen.beginPath(); pen.arc(p[0], p[1], 7 + 5 * near(p[2]), 0, 2 * Math.PI); pen.fill();
      });
      find("pose-caption").textContent = shown ? `${shown.caption} (the same frame)` : motion.captions[now];
    }
    function loop(time) {
      const passed = last === null ? 0 : Math.min(0.1, (time - last) / 1000);
      last = time;
      if (find("pose-turn").checked && held === null) yaw += 0.35 * passed;
      if (playing) {
        clock += passed * motion.fps;
        if (clock >= 1) { slider.value = (Number(slider.value) + Math.floor(clock)) % motion.poses.length; clock %= 1; }
      }
      draw();
      requestAnimationFrame(loop);
    }
    const run = (on) => { playing = on; play.textContent = on ? "Pause" : "Play"; };
    play.onclick = () => { shown = null; run(!playing); };
    slider.oninput = () => { shown = null; run(false); draw(); };
    show = (picture) => { if (picture.pose) { shown = picture; run(false); draw(); } };
    const apart = () => { const [p, q] = [...touches.values()]; return Math.hypot(p[0] - q[0], p[1] - q[1]); };
    canvas.addEventListener("pointerdown", (event) => {
      touches.set(event.pointerId, [event.clientX, event.clientY]);
      held = [event.clientX, event.clientY];
      try { canvas.setPointerCapture(event.pointerId); } catch (error) { /* a pointer that is already gone */ }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!touches.has(event.pointerId)) return;
      const before = touches.size === 2 ? apart() : 0;
      touches.set(event.pointerId, [event.clientX, event.clientY]);
      if (touches.size === 2) { zoom = Math.min(6, Math.max(0.3, zoom * apart() / Math.max(before, 1))); draw(); return; }
      yaw += (event.clientX - held[0]) * 0.01;
      tilt = Math.min(1.5, Math.max(-1.5, tilt + (event.clientY - held[1]) * 0.01));
      held = [event.clientX, event.clientY];
      draw();
    });
    const release = (event) => { touches.delete(event.pointerId); if (!touches.size) held = null; };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom = Math.min(6, Math.max(0.3, zoom * Math.exp(-event.deltaY * 0.001)));
      draw();
    }, { passive: false });
    draw();
    requestAnimationFrame(loop);
  }

  function check() {
    const found = { errors };
    const canvas = find("pose");
    if (canvas) {
      find("pose-turn").checked = false;
      if (find("pose-play").textContent === "Pause") find("pose-play").click();
      const before = canvas.toDataURL();
      for (const [kind, x] of [["pointerdown", 100], ["pointermove", 190], ["pointerup", 190]]) {
        canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: x, clientY: 100, bubbles: true }));
      }
      found.turns = canvas.toDataURL() !== before;
    }
    const video = find("video");
    if (video) {
      const before = video.toDataURL(), slider = find("video-time");
      slider.value = slider.max;
      slider.oninput();
      found.scrubs = Number(slider.max) === 0 || video.toDataURL() !== before;
    }
    document.body.style.width = "360px";  // a narrow phone: nothing may stick out
    found.phone = document.body.scrollWidth;
    document.body.style.width = "";
    document.body.dataset.check = JSON.stringify(found);
  }

  frames();
  poses();
  if (location.hash === "#check") setTimeout(check, 400);
})();
