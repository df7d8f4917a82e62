// What the page lets be heard: a chime, recorded speech, and the number by a voice of the browser
// where it has one of that language.  One after the other, never two at once.

const CHIMES = { 1: [660, 880, 1100], 2: [880, 660, 880, 660], 3: [520, 660], offline: [440, 330, 440, 330] };
const CLIPS = { 1: "order", 2: "reminder", 3: "notice", offline: "offline" };
const TONE_S = 0.17;
const TEXT_MAX = 500; // characters that are spoken
const SPEECH_MAX_MS = 8000; // some voices never say that they are done;
const CHARACTER_MS = 150; // a longer text may take longer by this

export class Sound {
  volume = 1;
  language = "en";
  isBusy = false;
  #changed;
  #audio = null; // an AudioContext, once there is reason to think that it may sound
  #clips = {};
  #queue = [];
  #stop = null; // ends what sounds now

  /** `changed` is called when sound comes or goes. */
  constructor(changed) {
    this.#changed = changed;
  }

  get isOn() {
    return this.#audio?.state === "running";
  }

  get isHeard() {
    return this.isOn && this.volume > 0;
  }

  /** To be called from a click: browsers let nothing sound before one.  Harmless without. */
  arm() {
    if (!this.#audio) {
      if (navigator.audioSession) navigator.audioSession.type = "playback"; // whatever an iPad's switch says
      this.#audio = new AudioContext();
      let wasOn = false;
      this.#audio.onstatechange = () => {
        if (wasOn && !this.isOn) this.hush();
        wasOn = this.isOn;
        this.#changed();
        this.#playAll();
      };
    }
    this.#audio.resume().catch(() => {});
    this.load();
  }

  disarm() {
    this.hush();
    this.#audio?.suspend();
  }

  /** Fetches the speech of this language; what does not come is a chime until it does. */
  load() {
    if (!this.#audio) return;
    const clips = this.#clips[this.language] ??= {};
    for (const [kind, name] of Object.entries(CLIPS)) {
      if (clips[kind]) continue;
      clips[kind] = fetch(`voice-${this.language.slice(0, 2)}-${name}.mp3`)
        .then((response) => (response.ok ? response.arrayBuffer() : Promise.reject(response.status)))
        .then((bytes) => this.#audio.decodeAudioData(bytes))
        .then((clip) => { clips[kind] = clip; }, () => { clips[kind] = null; });
    }
  }

  /** Queues {kind, level, number?, voice?, language?}, unless its kind waits there already.  voice, a
   * text, is spoken in place of the recorded sentence where the browser can, number after it. */
  say(job) {
    if (!this.#audio || this.volume === 0 || this.#queue.some(({ kind }) => kind === job.kind)) return;
    this.#queue.push(job);
    this.#playAll();
  }

  hush() {
    this.#queue = [];
    this.#stop?.();
  }

  /** A timer by the audio clock: those of a hidden page may be a minute late.  Gives what ends it. */
  after(ms, call) {
    if (!this.isOn) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    }
    const clock = new ConstantSourceNode(this.#audio, { offset: 0 });
    clock.connect(this.#audio.destination);
    clock.onended = call;
    clock.start();
    clock.stop(this.#audio.currentTime + ms / 1000);
    return () => {
      clock.onended = null;
      clock.disconnect();
    };
  }

  /** The browser's voice for a language: of the same country rather than another. */
  voice(language = this.language) {
    const wanted = language.toLowerCase();
    const voices = window.speechSynthesis?.getVoices().map((voice) =>
      ({ voice, lang: voice.lang.toLowerCase().replace("_", "-") })) ?? [];
    const isClose = ({ lang }) => lang.split("-")[0] === wanted.split("-")[0];
    return (voices.find(({ lang }) => lang === wanted) ?? voices.find(isClose))?.voice;
  }

  /** What the browser is to speak of a job; isAll: there is nothing else to be said. */
  #speech({ number, voice: text, language }) {
    const voice = text && this.voice(language);
    if (voice) return { text: text.slice(0, TEXT_MAX), voice, isAll: true };
    return number && this.voice() ? { text: [...number].join(" "), voice: this.voice() } : null;
  }

  async #playAll() {
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.isOn && this.#queue.length > 0) {
      const job = this.#queue.shift();
      const speech = this.#speech(job);
      await this.#play(job, !speech?.isAll);
      if (speech && this.isHeard && !job.isStopped) await this.#read(speech, job.level);
    }
    this.isBusy = false;
  }

  #play(job, isSpoken) {
    const out = new GainNode(this.#audio, { gain: this.volume * job.level });
    const start = this.#audio.currentTime + 0.03;
    let end = start;
    out.connect(this.#audio.destination);
    for (const hertz of CHIMES[job.kind]) {
      const tone = new OscillatorNode(this.#audio, { type: "triangle", frequency: hertz });
      const shape = new GainNode(this.#audio, { gain: 0 });
      shape.gain.setValueAtTime(0, end);
      shape.gain.linearRampToValueAtTime(0.6, end + 0.015);
      shape.gain.exponentialRampToValueAtTime(0.01, end + 1.8 * TONE_S);
      tone.connect(shape).connect(out);
      tone.start(end);
      tone.stop(end + 1.8 * TONE_S);
      end += TONE_S;
    }
    end += TONE_S;
    const clip = isSpoken && this.#clips[this.language]?.[job.kind];
    if (clip instanceof AudioBuffer) {
      const speech = new AudioBufferSourceNode(this.#audio, { buffer: clip });
      speech.connect(out);
      speech.start(end);
      end += clip.duration;
    }
    document.body.dataset.sounded = String(Number(document.body.dataset.sounded ?? 0) + 1);
    return this.#until((done) => {
      const cancel = this.after((end - this.#audio.currentTime + 0.2) * 1000, done);
      return () => {
        job.isStopped = true;
        cancel();
        out.gain.setTargetAtTime(0, this.#audio.currentTime, 0.02); // no click
        setTimeout(() => out.disconnect(), 200);
      };
    });
  }

  #read({ text, voice }, level) {
    const speech = new SpeechSynthesisUtterance(text);
    Object.assign(speech, { voice, lang: voice.lang, volume: Math.min(1, this.volume * level) });
    return this.#until((done) => {
      const cancel = this.after(SPEECH_MAX_MS + CHARACTER_MS * text.length, done);
      speech.onend = speech.onerror = () => {
        cancel();
        done();
      };
      speechSynthesis.speak(speech);
      return () => {
        cancel();
        speechSynthesis.cancel();
      };
    });
  }

  /** `begin(done)` gives what ends it before that. */
  #until(begin) {
    return new Promise((resolve) => {
      const done = () => {
        this.#stop = null;
        resolve();
      };
      const end = begin(done);
      this.#stop = () => {
        end();
        done();
      };
    });
  }
}
