// Words for the command line that live elsewhere: commands import only app, domain and render.
export { nearest, showText } from '../config/text.ts'
export { cleanText } from '../util/text.ts'
